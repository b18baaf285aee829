import Bytes
import Testing
import seandb_bench

@Suite("Records of the load")
struct RecordSourceTests {
  private func record(_ source: RecordSource, _ index: Int) -> [UInt8] {
    var writer = ByteWriter()
    source.appendRecord(index, to: &writer)
    return writer.array()
  }

  @Test(arguments: [40, 41, 100, 157, 158, 159, 160, 4096, 16_600, 1 << 20])
  func areAsLongAsAskedForOrAByteOrTwoShorter(byteCount: Int) {
    let source = RecordSource(byteCount: byteCount, seed: 1)
    #expect((byteCount - 2...byteCount).contains(source.byteCount))
    #expect(record(source, 7).count == source.byteCount)
  }

  /// As any reader of protobuf sees them.
  @Test func areDogs() throws {
    let bytes = record(RecordSource(byteCount: 200, seed: 1), 42)
    try bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      var numbers: [Int] = []
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        numbers.append(tag.number)
        if tag.number == 1 {
          #expect(try Array(reader.nextLengthDelimited()) == Array("DOG#000000000042".utf8))
        } else {
          try reader.skip(tag)
        }
      }
      #expect(numbers == [1, 2, 3, 4])
    }
  }

  @Test func knowTheirIndex() {
    let source = RecordSource(byteCount: 100, seed: 1)
    let bytes = record(source, 12)
    bytes.withUnsafeBytes {
      #expect(source.isRecord($0, of: 12))
      #expect(!source.isRecord($0, of: 13))
      #expect(!source.isRecord(UnsafeRawBufferPointer(rebasing: $0.dropLast()), of: 12))
    }
    // The key of one and the mark of another.
    var mixed = bytes
    mixed.replaceSubrange(20..<28, with: record(source, 13)[20..<28])
    mixed.withUnsafeBytes { #expect(!source.isRecord($0, of: 12)) }
  }
}
