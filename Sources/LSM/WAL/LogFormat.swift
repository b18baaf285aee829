import Bytes

/// The layout of logs: the write-ahead log and the manifest.
///
/// A log is a row of 32 KiB blocks. A block holds chunks and, when fewer than 31 bytes are left, zeros.
/// Integers are little-endian.
///
///     chunk                                     23 bytes and the payload
///     ┌────────┬──────────────────────────────────────────────────────────────┐
///     │  0   8 │ checksum: XXH64 of all that follows, to the payload's end    │
///     │  8   2 │ payload length                                               │
///     │ 10   1 │ type: 1 full, 2 first, 3 middle, 4 last, 5 header, 6 seal    │
///     │ 11   4 │ log number, its low 32 bits                                  │
///     │ 15   8 │ sync offset: the bytes before it were durable already when   │
///     │        │ this chunk was made                                          │
///     │ 23   n │ payload                                                      │
///     └────────┴──────────────────────────────────────────────────────────────┘
///
/// The checksum's seed is `XXH64(store id, log number) + offset of the chunk in the file`. So bytes of
/// another log, store or place never pass, and no one who does not know the store id can make a chunk.
///
///     record: one `full` chunk, or `first`, any number of `middle`, `last`
///     │  0   8 │ sequence number, larger than the one of the record before    │
///     │  8   n │ the caller's bytes                                           │
///
///     header: always the chunk at offset 0, made durable before anything else
///     │  0   4 │ "SLOG"                                                       │
///     │  4   4 │ format: 1                                                    │
///     │  8  16 │ store id                                                     │
///     │ 24   8 │ log number                                                   │
///     │ 32   8 │ predecessor's number; 0 when there is none                   │
///     │ 40   8 │ predecessor's length                                         │
///     │ 48   8 │ predecessor's last sequence number                           │
///
///     seal: the last chunk of a log that was finished
///     │  0   8 │ last sequence number                                         │
///
/// Bytes after the last chunk are zeros written ahead, or the remains of writes cut short by a crash.
package enum LogFormat {
  /// Bytes of a block.
  package static let blockBytes = 32 << 10
  /// Bytes of a chunk before its payload.
  package static let chunkHeaderBytes = 23
  /// Fewer bytes than this at a block's end are padding.
  static let smallestChunkBytes = chunkHeaderBytes + sequenceBytes
  static let headerPayloadBytes = 56
  static let sequenceBytes = 8
  static let magic: UInt32 = 0x474f_4c53
  /// The format of logs, in their header.
  package static let version: UInt32 = 1
  /// The largest record that a writer of a log takes; one of a manifest takes any. A reader is bounded by the
  /// file's size.
  package static let maximumRecordBytes = 1 << 30

  enum ChunkType: UInt8 {
    case full = 1
    case first = 2
    case middle = 3
    case last = 4
    case header = 5
    case seal = 6
  }

  /// Offsets inside a chunk.
  enum Field {
    static let checksum = 0
    static let length = 8
    static let type = 10
    static let logNumber = 11
    static let syncOffset = 15
  }

  /// What is wrong with a log that has records, or had, and no header.
  static let headerIsAbsent = DamageKind.absent(field: "the log's header")
}

/// Where a log ends: what the next log's header says of it.
///
/// Only ``LogWriter/finish()`` and ``LogReader`` make one, so a successor cannot be created before its
/// predecessor is durable to that length.
package struct LogEnd: Equatable, Sendable {
  /// The log that ends.
  package let number: FileNumber
  /// Bytes from the file's start; what comes after counts as not written.
  package let length: UInt64
  /// Of the last record; when the log has none, its predecessor's. 0 when there was never any.
  package let lastSequence: UInt64
}

/// What a log says of itself.
package struct LogHeader: Equatable, Sendable {
  /// The store that it belongs to.
  package let store: StoreID
  /// Its own number, which all checksums of the log are mixed with.
  package let number: FileNumber
  /// The end of the log that it goes on after; nil: there is none.
  package let predecessor: LogEnd?

  /// Appends the payload of the header chunk.
  func encode(into writer: inout ByteWriter) {
    writer.appendLittleEndian(LogFormat.magic)
    writer.appendLittleEndian(LogFormat.version)
    writer.appendLittleEndian(store.low)
    writer.appendLittleEndian(store.high)
    writer.appendLittleEndian(number.rawValue)
    writer.appendLittleEndian(predecessor?.number.rawValue ?? 0)
    writer.appendLittleEndian(predecessor?.length ?? 0)
    writer.appendLittleEndian(predecessor?.lastSequence ?? 0)
  }

  /// Reads the payload of a header chunk; nil when it is none, whatever its version.
  @safe
  init?(_ payload: UnsafeRawBufferPointer) {
    guard payload.count == LogFormat.headerPayloadBytes,
      payload.littleEndian(UInt32.self, at: 0) == LogFormat.magic
    else { return nil }
    store = StoreID(
      low: payload.littleEndian(UInt64.self, at: 8),
      high: payload.littleEndian(UInt64.self, at: 16))
    number = FileNumber(payload.littleEndian(UInt64.self, at: 24))
    let before = FileNumber(payload.littleEndian(UInt64.self, at: 32))
    predecessor =
      before == 0
      ? nil
      : LogEnd(
        number: before, length: payload.littleEndian(UInt64.self, at: 40),
        lastSequence: payload.littleEndian(UInt64.self, at: 48))
  }

  init(store: StoreID, number: FileNumber, predecessor: LogEnd?) {
    self.store = store
    self.number = number
    self.predecessor = predecessor
  }
}

extension UnsafeRawBufferPointer {
  /// A little-endian integer at any alignment.
  /// - Precondition: it lies inside the buffer.
  @safe
  @inline(__always)
  func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
    precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size)
    // SAFETY: checked by the line above.
    return unsafe T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}
