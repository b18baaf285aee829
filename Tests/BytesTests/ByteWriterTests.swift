import Bytes
import Testing

@Suite("Byte writer") struct ByteWriterTests {
  @Test func keepsWhatIsAppendedWhileItGrows() {
    var writer = ByteWriter()
    var expected: [UInt8] = []
    for round in 0..<500 {
      let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: round % 37)
      writer.append(piece)
      writer.append(UInt8(truncatingIfNeeded: round))
      expected += piece + [UInt8(truncatingIfNeeded: round)]
    }
    #expect(writer.array() == expected)
  }

  @Test func takesNoMoreMemoryThanItIsToldTo() {
    var writer = ByteWriter()
    writer.append([UInt8](repeating: 7, count: 100))
    writer.reserveExactly(1000)
    #expect(writer.capacity == 1100)
    writer.reserveExactly(10)
    #expect(writer.capacity == 1100)
    writer.shrink()
    #expect(writer.capacity == 100)
    #expect(writer.array() == [UInt8](repeating: 7, count: 100))
    writer.removeAll()
    writer.shrink()
    #expect(writer.capacity == 0)
    writer.reserveExactly(0)
    #expect(writer.capacity == 0)
  }

  @Test func givesMemoryBackBeyondTheLimit() {
    var writer = ByteWriter(capacity: 1 << 20)
    writer.append([1, 2, 3])
    writer.removeAll(keepingAtMost: 1 << 10)
    #expect(writer.capacity == 0)
    writer.append([4])
    #expect(writer.array() == [4])
  }

  @Test func overwritesAndTruncates() {
    var writer = ByteWriter()
    writer.append([1, 2, 3, 4, 5])
    [UInt8]([9, 8]).withUnsafeBytes { writer.overwrite(at: 1, with: $0) }
    writer.truncate(to: 4)
    #expect(writer.array() == [1, 9, 8, 4])
  }

  @Test(arguments: [0, 1, 127, 128, 300, 16_383, 16_384, UInt64(UInt32.max), .max >> 1, .max])
  func writesVarintsThatReadBack(_ value: UInt64) throws {
    var writer = ByteWriter()
    writer.appendVarint(value)
    let bytes = writer.array()
    let read = try bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      return try reader.nextVarint()
    }
    #expect(read == value)
    #expect(bytes.count == max(1, (64 - value.leadingZeroBitCount + 6) / 7))
  }

  @Test func ordersBigEndianIntegersLikeMemcmp() {
    func encoded(_ value: UInt32) -> [UInt8] {
      var writer = ByteWriter()
      writer.appendBigEndian(value)
      return writer.array()
    }
    let values: [UInt32] = [0, 1, 255, 256, 65_535, 65_536, .max - 1, .max]
    for (lower, upper) in zip(values, values.dropFirst()) {
      #expect(encoded(lower).lexicographicallyPrecedes(encoded(upper)))
    }
  }
}
