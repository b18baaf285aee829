import Testing
import Wire

@Suite("Client protocol")
struct ClientProtocolTests {
  private static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  private static func told(_ bytes: [UInt8]) -> ClientProtocol? {
    bytes.withUnsafeBytes { ClientProtocol(firstBytes: $0) }
  }

  /// The first verdict when the bytes come one at a time, and how many that took.
  private static func toldOneByOne(_ bytes: [UInt8]) -> (ClientProtocol, Int)? {
    for count in 0...bytes.count {
      if let told = told(Array(bytes.prefix(count))) { return (told, count) }
    }
    return nil
  }

  @Test(arguments: [
    (preface, ClientProtocol.http2, 24), (preface + "\0\0\0", .http2, 24),
    ("GET / HTTP/1.1\r\n", .http1(isHead: false), 5),
    ("HEAD / HTTP/1.0\r\n", .http1(isHead: true), 6),
    ("POST /x", .http1(isHead: false), 6), ("PUT /", .http1(isHead: false), 5),
    ("PROPFIND / HTTP/1.1", .http1(isHead: false), 10), ("PRIORITISE /", .http1(isHead: false), 12),
    ("P /", .http1(isHead: false), 3), ("NOT A PREFACE", .unknown, 5), ("GET\r\n", .unknown, 4),
    ("get / HTTP/1.1", .unknown, 1),
    (" GET /", .unknown, 1), ("PRI * HTTP/1.1\r\n", .unknown, 12), ("PRI / HTTP/1.1", .unknown, 5),
    ("\u{16}\u{3}\u{1}", .tls, 1), ("\0\0\0\0", .unknown, 1), ("SSH-2.0-x\r\n", .unknown, 4),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", .unknown, 21),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", .unknown, 24),
  ])
  func isToldByTheFirstBytes(_ text: String, expected: ClientProtocol, bytes: Int) throws {
    let (told, count) = try #require(Self.toldOneByOne(Array(text.utf8)))
    #expect(told == expected)
    #expect(count == bytes)
    // All at once, it is the same.
    #expect(Self.told(Array(text.utf8)) == expected)
  }

  @Test(arguments: ["", "P", "PR", "PRI", "PRI ", "PRI *", "GET", "GET ", "PUT", "SSH"])
  func isNotYetTold(_ text: String) {
    #expect(Self.told(Array(text.utf8)) == nil)
  }

  @Test func needsTwentyFourBytesAtMost() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<1000 {
      let bytes = (0..<24).map { _ in UInt8.random(in: 0x40...0x5F, using: &generator) }
      #expect(Self.told(bytes) != nil, "\(bytes)")
    }
  }
}
