import Bytes

/// Where a block is in its table.
///
/// In the index as two varints, offset and byte count; in the footer as two u64 little-endian.
// SAFETY: The decoder is told the count of the bytes as their end.
package struct BlockHandle: Equatable, Sendable {
  /// Where the block begins in the file, in bytes.
  package let offset: UInt64
  /// Bytes of payload and trailer.
  package let byteCount: UInt64

  package init(offset: UInt64, byteCount: UInt64) {
    self.offset = offset
    self.byteCount = byteCount
  }

  /// Means a block that the table does not have.
  static let none = BlockHandle(offset: 0, byteCount: 0)

  func append(to writer: inout ByteWriter) {
    writer.appendVarint(offset)
    writer.appendVarint(byteCount)
  }

  /// Decodes the two varints, each below 2^63, that make up all of `bytes`; nil when they do not.
  @safe
  init?(varints bytes: UnsafeRawBufferPointer) {
    var at = 0
    guard
      let offset = unsafe InlineVarint.decode(bytes, &at, end: bytes.count, maximumBytes: 9),
      let byteCount = unsafe InlineVarint.decode(bytes, &at, end: bytes.count, maximumBytes: 9),
      at == bytes.count
    else { return nil }
    self.init(offset: offset, byteCount: byteCount)
  }

  /// Whether all of it lies before `end`, and has room for a trailer.
  func fits(before end: UInt64) -> Bool {
    byteCount >= UInt64(BlockTrailer.byteCount) && byteCount <= end && offset <= end - byteCount
  }
}
