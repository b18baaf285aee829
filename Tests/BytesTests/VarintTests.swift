import Bytes
import Testing

@Suite("Varint") struct VarintTests {
  private static func decode(
    _ bytes: [UInt8], maximumBytes: Int = Varint.maximumBytes, end: Int? = nil
  ) -> (value: UInt64?, offset: Int) {
    var offset = 0
    let value = bytes.withUnsafeBytes {
      Varint.decode($0, &offset, end: end ?? bytes.count, maximumBytes: maximumBytes)
    }
    return (value, offset)
  }

  private static let ones = [UInt8](repeating: 0xFF, count: 9)

  @Test(
    arguments: [
      ([0], 0, 1), ([0x7F], 127, 1), ([0x80, 1], 128, 2), ([0x80, 0], 0, 2), ([5, 6], 5, 1),
      (ones + [1], .max, 10), (ones + [2], nil, 10), (ones + [0x81, 0], nil, 10),
      ([], nil, 0), ([0x80], nil, 1), (ones, nil, 9),
    ] as [([UInt8], UInt64?, Int)])
  func decodesUpToSixtyFourBits(bytes: [UInt8], value: UInt64?, offset: Int) {
    let decoded = Self.decode(bytes)
    #expect(decoded.value == value && decoded.offset == offset)
  }

  @Test(arguments: 1...10)
  func takesNoMoreBytesThanItMay(limit: Int) {
    let bytes = [UInt8](repeating: 0x80, count: limit - 1) + [1]
    #expect(Self.decode(bytes, maximumBytes: limit).value == 1 << (7 * UInt64(limit - 1)))
    if limit > 1 { #expect(Self.decode(bytes, maximumBytes: limit - 1).value == nil) }
  }

  @Test func readsNothingAtOrAfterTheEnd() {
    let decoded = Self.decode([0x80, 0x80, 1], end: 2)
    #expect(decoded.value == nil && decoded.offset == 2)
  }
}
