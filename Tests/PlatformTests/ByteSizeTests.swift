import Platform
import Testing

@Suite("Sizes in bytes")
struct ByteSizeTests {
  @Test(arguments: [
    ("0", 0), ("1048576", 1 << 20), ("1024K", 1 << 20), ("1m", 1 << 20), ("3GiB", 3 << 30),
    ("5KB", 5120), ("-1K", -1024), ("99999999999999999999", .max), ("9999999999G", .max),
  ])
  func areNumbersWithAUnit(text: String, bytes: Int) {
    #expect(ByteSize(text)?.bytes == bytes)
  }

  @Test(arguments: ["", "K", "-", "1.5M", "1T", "+1", "1 K"])
  func areNothingElse(text: String) {
    #expect(ByteSize(text) == nil)
  }

  @Test(arguments: [("1M", 1 << 20), ("1025K", 1025 << 10), ("1023", 1023), ("0", 0)])
  func sayThemselvesInTheLargestUnit(text: String, bytes: Int) {
    #expect(ByteSize(bytes: bytes).description == text)
  }
}
