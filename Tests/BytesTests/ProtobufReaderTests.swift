import Bytes
import Testing

@Suite("Protobuf reader") struct ProtobufReaderTests {
  /// Reads every field of `bytes` to the end.
  private func walk(_ bytes: [UInt8]) throws(ProtobufError) -> [Int] {
    var numbers: [Int] = []
    var failure: ProtobufError?
    bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      do throws(ProtobufError) {
        while !reader.isAtEnd {
          let tag = try reader.nextTag()
          numbers.append(tag.number)
          try reader.skip(tag)
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return numbers
  }

  @Test func walksEveryWireType() throws {
    let bytes: [UInt8] =
      [0x08, 0x96, 0x01] + [0x11, 1, 2, 3, 4, 5, 6, 7, 8] + [0x1a, 2, 65, 66] + [0x25, 1, 2, 3, 4]
      + [0x2b, 0x08, 0x01, 0x33, 0x34, 0x2c]
    #expect(try walk(bytes) == [1, 2, 3, 4, 5])
  }

  @Test(
    arguments: [
      ([0x08], ProtobufError.truncated(offset: 1)),
      ([0x08, 0x80], .truncated(offset: 1)),
      ([0x1a, 5, 1], .truncated(offset: 1)),
      ([0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .truncated(offset: 1)),
      ([0x11, 1, 2], .truncated(offset: 1)),
      ([0x25, 1], .truncated(offset: 1)),
      ([0x00], .invalidTag(offset: 0)),
      ([0xf8, 0xff, 0xff, 0xff, 0x7f, 0], .invalidTag(offset: 0)),
      ([0x0e], .invalidWireType(6, offset: 0)),
      ([0x0f], .invalidWireType(7, offset: 0)),
      ([0x0c], .unmatchedGroup(offset: 1)),
      ([0x0b, 0x14], .unmatchedGroup(offset: 2)),
      ([0x0b, 0x08, 0x01], .truncated(offset: 1)),
      (
        [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        .malformedVarint(offset: 1)
      ),
      (
        [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
        .malformedVarint(offset: 1)
      ),
    ] as [([UInt8], ProtobufError)])
  func rejectsMalformedBytes(_ bytes: [UInt8], _ expected: ProtobufError) {
    #expect(throws: expected) { try walk(bytes) }
  }

  @Test func boundsTheDepthOfGroups() {
    let deep = [UInt8](repeating: 0x0b, count: 5000) + [UInt8](repeating: 0x0c, count: 5000)
    #expect(throws: ProtobufError.self) { try walk(deep) }
    let shallow = [UInt8](repeating: 0x0b, count: 100) + [UInt8](repeating: 0x0c, count: 100)
    #expect(throws: Never.self) { try walk(shallow) }
  }

  @Test func neverReadsBeyondTheEndOfAnyPrefix() throws {
    let whole: [UInt8] = [
      0x08, 0x96, 0x01, 0x1a, 2, 65, 66, 0x2b, 0x08, 0x01, 0x2c, 0x25, 1, 2, 3, 4,
    ]
    let borders = [0, 3, 7, 11, 16]
    for length in 0...whole.count {
      let prefix = Array(whole[..<length])
      if borders.contains(length) {
        #expect(throws: Never.self) { try walk(prefix) }
      } else {
        #expect(throws: ProtobufError.self) { try walk(prefix) }
      }
    }
  }
}
