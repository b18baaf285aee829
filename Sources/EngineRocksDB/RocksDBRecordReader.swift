import Glibc

/// A log or manifest of RocksDB has what this program does not know.
package struct UnknownRecord: Error {}

/// Reads the records of a RocksDB log or manifest, which have one format (rocksdb:db/log_format.h): blocks of 32 KiB,
/// in which each fragment of a record comes after a head of 7 bytes.
///
///     +----------+---------+------+----------------+
///     | checksum | length  | type | length bytes … |
///     | 4 bytes  | 2 bytes | 1    |                |
///     +----------+---------+------+----------------+
///
/// The checksums are left to RocksDB, which reads the same files at each open.
// SAFETY: The file is read into an array of our own, at most up to its end.
struct RocksDBRecordReader: ~Copyable {
  private static let blockBytes = 32 << 10
  private static let headBytes = 7
  /// A multiple of the block size.
  private static let chunkBytes = 32 * blockBytes

  private let descriptor: Int32
  /// The most that is kept of one record.
  private let keptBytes: Int
  private var chunk: [UInt8]
  private var chunkStart = 0
  private var chunkCount = 0
  /// In the file.
  private var offset = 0

  /// - Parameter keptBytes: how much of the start of each record is given out.
  /// - Returns: nil when the file cannot be opened.
  init?(_ path: String, keptBytes: Int) {
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    self.keptBytes = keptBytes
    chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
  }

  deinit { close(descriptor) }

  /// The start of the next whole record; nil at the end, and where the file stops within a record. A file that grows
  /// can be asked again.
  mutating func next() throws(UnknownRecord) -> [UInt8]? {
    let start = offset
    if let record = try whole() { return record }
    offset = start
    chunkCount = 0
    return nil
  }

  private mutating func whole() throws(UnknownRecord) -> [UInt8]? {
    var record: [UInt8]?
    while true {
      let left = Self.blockBytes - offset % Self.blockBytes
      if left < Self.headBytes {
        offset += left
        continue
      }
      guard let head = bytes(at: offset, Self.headBytes) else { return nil }
      let length = Int(head[head.startIndex + 4]) | Int(head[head.startIndex + 5]) << 8
      let type = head[head.startIndex + 6]
      if type == 0 && length == 0 {
        // A block that was never written, or zeroed. RocksDB goes on after it, and says nothing.
        record = nil
        offset += left
        continue
      }
      guard length <= left - Self.headBytes else { return nil }
      let isWanted = (record?.count ?? 0) < keptBytes
      let taken = isWanted ? min(length, keptBytes - (record?.count ?? 0)) : 0
      // The read of the head has brought the block, as far as the file has it.
      guard offset + Self.headBytes + length <= chunkStart + chunkCount else { return nil }
      let payload = chunk[(offset + Self.headBytes - chunkStart)...].prefix(taken)
      switch type {
      case 1:
        let whole = Array(payload)
        offset += Self.headBytes + length
        return whole
      case 2: record = Array(payload)
      case 3, 4: record?.append(contentsOf: payload)
      default: throw UnknownRecord()
      }
      offset += Self.headBytes + length
      if type == 4, let whole = record { return whole }
    }
  }

  /// Bytes of one block; nil when the file ends before.
  private mutating func bytes(at start: Int, _ count: Int) -> ArraySlice<UInt8>? {
    if start < chunkStart || start >= chunkStart + chunkCount {
      // At the start of a block, so that no later read is of two chunks.
      chunkStart = start / Self.blockBytes * Self.blockBytes
      chunkCount = 0
      while chunkCount < Self.chunkBytes {
        let read = unsafe chunk.withUnsafeMutableBytes { buffer in
          // SAFETY: `chunkCount` is less than the buffer's size, and the rest of it is asked for.
          unsafe pread(
            descriptor, buffer.baseAddress.unsafelyUnwrapped + chunkCount,
            Self.chunkBytes - chunkCount, off_t(chunkStart + chunkCount))
        }
        if read < 0 && errno == EINTR { continue }
        guard read > 0 else { break }
        chunkCount += read
      }
    }
    guard start + count <= chunkStart + chunkCount else { return nil }
    return chunk[(start - chunkStart)..<(start - chunkStart + count)]
  }
}
