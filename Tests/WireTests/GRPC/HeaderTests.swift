import Testing
import Wire

@Suite("gRPC headers") struct HeaderTests {
  @Test(
    arguments: [
      ("1n", 1), ("250u", 250_000), ("3m", 3_000_000), ("10S", 10_000_000_000),
      ("2M", 120_000_000_000),
      ("1H", 3_600_000_000_000), ("0S", 0), ("99999999H", .max / 2),
    ] as [(String, UInt64)])
  func readsTimeouts(_ text: String, _ nanoseconds: UInt64) {
    let parsed = Array(text.utf8).withUnsafeBytes { GRPCTimeout.parse($0) }
    #expect(parsed == nanoseconds)
  }

  @Test(arguments: ["", "S", "1", "1s", "123456789S", "-1S", "1.5S", "١S", "1 S", "+1S"])
  func rejectsMalformedTimeouts(_ text: String) {
    #expect(Array(text.utf8).withUnsafeBytes { GRPCTimeout.parse($0) } == nil)
  }

  @Test(arguments: [
    ("plain", "plain"), ("100%", "100%25"), ("\t\r\n", "%09%0D%0A"), ("ü", "%C3%BC"),
    ("😈", "%F0%9F%98%88"),
    ("\u{7f}", "%7F"),
  ])
  func percentEncodesMessages(_ message: String, _ expected: String) {
    #expect(String(decoding: HeaderEncoding.percentEncoded(message), as: UTF8.self) == expected)
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
    ("foobar", "Zm9vYmFy"),
  ])
  func encodesBase64WithoutPadding(_ text: String, _ expected: String) {
    // RFC 4648 §10's vectors, less the padding.
    #expect(String(decoding: HeaderEncoding.base64(Array(text.utf8)), as: UTF8.self) == expected)
  }
}
