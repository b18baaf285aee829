/// What a batch may hold, at most. Whatever ``LSMTree/apply(_:sync:)`` takes can also be flushed, compacted,
/// recovered and repaired:
///
///     key     16 MiB                an index entry or a range tombstone of it is far below a block's limit
///     entry   1 GiB less 64 KiB     a data block of its own, with its frame, is a block of the format
///     batch   1 GiB                 one record of the log
///     memory  4 GiB                 a memtable of its own; see ``memtableBytes(for:)``
///
/// A flush writes one table, whose index and range-tombstone block are never larger than what the entries take
/// in the memtable, which is less than what offsets inside a block can say. Compactions end their tables by
/// size, index and range tombstones counted, so theirs are small.
///
/// The defaults are the formats' limits. Smaller ones are for tests.
package struct TreeLimits: Sendable {
  /// The longest user key, and the longest end of a range delete. Unit: bytes.
  package var keyBytes = TableFormat.maximumKeyBytes
  /// The largest key and value together, or the two ends of a range delete. Unit: bytes.
  package var entryBytes = TableFormat.maximumEntryBytes
  /// The largest batch, as ``BatchReader`` reads it; a range delete counts as ``rangeDeleteBytes`` there, since
  /// it takes more memory than it has bytes. Unit: bytes.
  package var batchBytes = LogFormat.maximumRecordBytes
  /// The largest memtable. Unit: bytes.
  package var memtableBytes = Memtable.maximumCapacityBytes

  /// What a range delete counts as, at least: the indexes that reads ask take some hundred bytes for each.
  package static let rangeDeleteBytes = 1 << 10
  /// Bytes of a memtable's capacity beyond what its entries are reckoned to need.
  static let slackBytes = 1 << 20
  /// A memtable counts as full here, whatever the options say, so that the next batch still fits.
  static let fullMemtableBytes = 2 << 30

  package init() {}

  /// The capacity that a memtable needs to take a batch for certain. Writes, recovery and repair reckon by it.
  static func memtableBytes(for summary: BatchReader.Summary) -> Int {
    summary.bytes + summary.count * SkipList.maximumOverheadBytes + slackBytes
  }

  /// Address space for a memtable that is full at `bytes`: one more batch of usual size must fit after it.
  func capacity(forMemtableOf bytes: Int) -> Int {
    let bytes = min(max(bytes, 0), Self.fullMemtableBytes)
    return min(bytes + bytes / 2 + Self.slackBytes, max(memtableBytes, Self.slackBytes))
  }

  /// The capacity of a new memtable that is to take a batch first.
  func capacity(forMemtableOf bytes: Int, andFirst summary: BatchReader.Summary) -> Int {
    max(capacity(forMemtableOf: bytes), Self.memtableBytes(for: summary))
  }

  /// - Throws: ``LSMError/tooLarge(bytes:limit:)`` for a batch that is not to be taken.
  func check(_ summary: BatchReader.Summary, batchBytes: Int) throws(LSMError) {
    try check(summary.largestKeyBytes, keyBytes)
    try check(summary.largestEntryBytes, entryBytes)
    try check(batchBytes, self.batchBytes)
    try check(summary.rangeDeleteCount * Self.rangeDeleteBytes, self.batchBytes)
    try check(Self.memtableBytes(for: summary), memtableBytes)
  }

  @inline(__always)
  private func check(_ bytes: Int, _ limit: Int) throws(LSMError) {
    guard bytes <= limit else { throw .tooLarge(bytes: bytes, limit: limit) }
  }
}
