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

  private static let groups = RecordGroups(records: 100, size: 10)

  private func grouped(
    _ source: RecordSource, _ index: Int, generation: UInt8 = 1
  ) -> [UInt8] {
    var writer = ByteWriter()
    source.appendRecord(index, generation: generation, to: &writer)
    return writer.array()
  }

  @Test(arguments: [60, 61, 100, 4096])
  func areAsLongWithGroups(byteCount: Int) {
    let source = RecordSource(byteCount: byteCount, seed: 1, groups: Self.groups)
    #expect((byteCount - 2...byteCount).contains(source.byteCount))
    #expect(grouped(source, 7, generation: 127).count == source.byteCount)
  }

  /// As any reader of protobuf sees them.
  @Test func areDogsWithChips() throws {
    let source = RecordSource(byteCount: 100, seed: 1, groups: Self.groups)
    func texts(_ index: Int) throws -> [Int: [UInt8]] {
      try grouped(source, index, generation: 5).withUnsafeBytes { bytes in
        var reader = ProtobufReader(bytes)
        var texts: [Int: [UInt8]] = [:]
        while !reader.isAtEnd {
          let tag = try reader.nextTag()
          if tag.number == 3 {
            #expect(try reader.nextVarint() == 5)
          } else {
            texts[tag.number] = try Array(reader.nextLengthDelimited())
          }
        }
        return texts
      }
    }
    let (one, other) = (try texts(4), try texts(14))
    #expect(one.keys.sorted() == [1, 2, 4, 5])
    #expect(one[4]?.count == 8)
    #expect(one[5]?.count == 16)
    #expect(one[4] == other[4], "of one group")
    #expect(one[5] != other[5])
  }

  @Test func knowTheirGeneration() {
    let source = RecordSource(byteCount: 100, seed: 1, groups: Self.groups)
    func isRecord(_ bytes: [UInt8], of index: Int = 12, isOriginal: Bool = false) -> Bool {
      bytes.withUnsafeBytes { source.isRecord($0, of: index, isOriginal: isOriginal) }
    }
    let (first, changed) = (grouped(source, 12), grouped(source, 12, generation: 9))
    #expect(isRecord(first, isOriginal: true))
    #expect(isRecord(changed))
    #expect(!isRecord(changed, isOriginal: true))
    #expect(!isRecord(changed, of: 22))
    // The breed and chip of another, and an age that is not the breed's.
    let tail = first.count - 30
    for change in [tail + 1, tail + 4, tail + 11, tail + 14, tail + 29] {
      var bytes = first
      bytes[change] ^= 1
      #expect(!isRecord(bytes), "byte \(change)")
    }
  }
}
