/// The knobs of a tree. The defaults serve a machine with a few gigabytes of memory and one disk.
///
/// An engine sets those that all engines share (`EngineOptions`): of them these defaults, which a test compares with
/// the engine's, hold for tools that open a tree themselves.
package struct TreeOptions: Sendable {
  /// Uncompressed blocks kept in memory, with the indexes and filters of open tables. Unit: bytes. Default:
  /// 256 MiB.
  package var cacheSizeBytes = 256 << 20
  /// A memtable of this size is written as a table. Unit: bytes. Default: 64 MiB. Larger ones write less in
  /// all and recover more slowly.
  package var memtableSizeBytes = 64 << 20
  /// Full memtables that may wait for their flush; a write that would make one more waits. Default: 3.
  package var maximumImmutableMemtables = 3
  /// Range deletes after which a memtable is flushed, full or not. Default: 1000: their index is rebuilt in
  /// part at each one.
  package var rangeDeletesBeforeFlush = 1000
  /// What a batch may hold.
  package var limits = TreeLimits()
  /// How tables are written.
  package var table = TableOptions()
  /// Bytes of a table at which it ends. Default: 64 MiB.
  package var tableBytes: UInt64 = 64 << 20
  /// The upmost level below level 0 is at most this large. Unit: bytes. Default: 256 MiB.
  package var baseLevelBytes: UInt64 = 256 << 20
  /// How many times larger each level is than the one above. Default: 10.
  package var levelMultiplier: UInt64 = 10
  /// Tables of level 0 at which they are compacted. Default: 4.
  package var level0CompactionCount = 4
  /// Bytes of level 0 that a merge inside it takes at most. Default: 1 GiB.
  package var level0MergeBytes: UInt64 = 1 << 30
  /// Tables of level 0 at which writes begin to be slowed. Default: 12.
  package var level0SlowdownCount = 12
  /// Tables of level 0 at which writes wait. Default: 36.
  package var level0StopCount = 36
  /// Threads for flush and compaction; 0: the writer does their work itself, at once, which makes every run
  /// repeatable. Default: 2, the least that lets a flush run beside a compaction.
  package var backgroundThreads = 2
  /// The pause before a flush or compaction that failed is tried again; it doubles from time to time. Unit:
  /// nanoseconds. Default: 0.1 s.
  package var shortestRetryNanoseconds: UInt64 = 100_000_000
  /// Default: 10 s.
  package var longestRetryNanoseconds: UInt64 = 10_000_000_000
  /// Whether logs are written with zeros ahead, which makes syncs cheaper. Default: true.
  package var preallocatesLogs = true
  /// Whether a damaged log ends the store at the last good record, silently, instead of failing the open.
  /// Default: false. No command sets it.
  package var dropsDamagedLogTail = false
  /// Whether files are only read: no lock, no change. Default: false.
  package var isReadOnly = false
  /// Whether a directory without a store becomes a new one. Default: true.
  package var createIfMissing = true
  /// The id of a store that is created; nil draws one. For tests that repeat a run.
  package var storeID: StoreID?

  package init() {}
}
