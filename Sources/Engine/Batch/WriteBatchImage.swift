import Bytes

/// Reads the image of a ``WriteBatch`` and checks every byte of it. The layout stands there.
// SAFETY: Whoever makes one keeps the image, unchanged, while it is read. Each offset is checked against its count.
@safe
struct WriteBatchImage {
  struct Summary {
    var count = 0
    var rangeDeleteCount = 0
  }

  @safe private let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

  /// Visits the records in their order; the bytes handed out alias the image.
  /// - Throws: ``EngineError/malformedBatch(offset:)`` with the offset in the image. The records before
  ///   it were visited.
  @discardableResult
  func visitEntries(_ visit: (WriteBatch.Entry) -> Void) throws(EngineError) -> Summary {
    guard bytes.count >= WriteBatch.headerByteCount else {
      throw .malformedBatch(offset: bytes.count)
    }
    let stored = unsafe bytes.loadUnaligned(fromByteOffset: WriteBatch.countOffset, as: UInt32.self)
    let expected = Int(UInt32(littleEndian: stored))
    var summary = Summary()
    var offset = WriteBatch.headerByteCount
    while offset < bytes.count {
      let tag = bytes[offset]
      let start = offset
      offset += 1
      switch tag {
      case WriteBatch.Tag.put:
        let key = try unsafe slice(&offset)
        unsafe visit(.put(key: key, value: try slice(&offset)))
      case WriteBatch.Tag.delete:
        unsafe visit(.delete(key: try slice(&offset)))
      case WriteBatch.Tag.deleteRange:
        let lower = try unsafe slice(&offset)
        let upper = try unsafe slice(&offset)
        guard unsafe lower.lexicographicallyPrecedes(upper) else {
          throw .malformedBatch(offset: start)
        }
        unsafe visit(.deleteRange(lower: lower, upper: upper))
        summary.rangeDeleteCount += 1
      default:
        throw .malformedBatch(offset: start)
      }
      summary.count += 1
    }
    guard summary.count == expected else {
      throw .malformedBatch(offset: WriteBatch.countOffset)
    }
    return summary
  }

  private func slice(_ offset: inout Int) throws(EngineError) -> UnsafeRawBufferPointer {
    let start = offset
    var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    do throws(ProtobufError) {
      let slice = try unsafe reader.nextLengthDelimited()
      // RocksDB reads lengths of at most 5 bytes.
      guard reader.offset - slice.count <= 5 else { throw .malformedVarint(offset: 0) }
      offset += reader.offset
      return unsafe slice
    } catch {
      throw .malformedBatch(offset: start)
    }
  }
}
