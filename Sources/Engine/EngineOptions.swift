/// The knobs of an engine. The defaults serve a machine with a few gigabytes of memory and one disk.
package struct EngineOptions: Sendable {
  /// Uncompressed table blocks kept in memory, with their indexes and filters.
  ///
  /// Unit: bytes. Default: 256 MiB. More of it makes more reads answer without the disk; it is memory
  /// beside the memtables. Best: the hot part of the data.
  package var cacheSizeBytes = 256 << 20

  /// Size of one memtable; when it is full it is written as a table. Up to four are held.
  ///
  /// Unit: bytes. Default: 64 MiB. Larger ones write less in all and recover more slowly.
  package var memtableSizeBytes = 64 << 20

  /// How tables are compressed from now on; what is there stays readable as it is. Default: ``TableCompression/lz4``.
  package var compression = TableCompression.lz4

  /// Threads for flush and compaction.
  ///
  /// Default: 2, the least that lets a flush run beside a compaction. More of them keep up with more
  /// writes and take cores from the calls.
  package var backgroundJobs = 2

  /// Range deletes after which a memtable is flushed, full or not.
  ///
  /// Default: 1000. RocksDB 7.8 splits the memtable's list of range tombstones anew for the first read
  /// after each one, O(their number): thousands of them make every read slow. Each flush costs a small
  /// table.
  package var rangeDeletesBeforeFlush = 1000

  /// What to do about a damaged log at open. Default: ``LogRecoveryMode/tornTailOnly``.
  package var logRecovery = LogRecoveryMode.tornTailOnly

  /// Whether the directory is only read. Default: false.
  ///
  /// Takes no lock and changes no file, so it works beside a running server and sees the state of the
  /// moment it opened. Every write throws ``EngineError/readOnly(reason:)``.
  package var isReadOnly = false

  /// Whether a directory without an engine becomes a new one. Default: true. False gives an error, for
  /// tools that must not create anything.
  package var createIfMissing = true

  package init() {}
}

/// The codec of a store's tables; the raw values are what `--compression` takes.
package enum TableCompression: String, CaseIterable, Sendable {
  /// A read that misses the cache, and a compaction, cost less of the processor's time: on the LSM less than half.
  case lz4
  /// Fewer bytes on the disk: an eighth fewer of random values, a third to a half of text.
  case zstd
}

/// What to do about a damaged log at open.
package enum LogRecoveryMode: Sendable {
  /// A record cut off at the end of the log is what a crash leaves, and is dropped: its write never
  /// returned, or was `.buffered`. Damage anywhere else fails the open, because after it there are writes
  /// that were acknowledged. The default: nothing is ever dropped silently.
  case tornTailOnly
  /// Opens at the last good record and drops everything after the first damage, silently. No command offers it:
  /// what an operator has is `seandb repair`, which says what is lost.
  case pointInTime
}
