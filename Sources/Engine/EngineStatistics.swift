/// The state of an engine for operators. Each figure is of its own moment; estimates say so.
package struct EngineStatistics: Equatable, Sendable {
  /// Estimate: overwrites and deletes not yet compacted are counted as keys.
  package var estimatedKeyCount: UInt64 = 0
  /// Estimate of the bytes the newest records take in tables, compressed.
  package var estimatedLiveBytes: UInt64 = 0
  /// Bytes and number of the current tables, level by level, the newest level first.
  package var levels: [Level] = []
  /// Bytes of all tables on disk, with those an iterator or snapshot still holds.
  package var tableBytes: UInt64 = 0
  /// Bytes of the log files in the directory.
  package var logBytes: UInt64 = 0
  /// Bytes of the memtables, the one written to and those waiting for their flush.
  package var memtableBytes: UInt64 = 0
  /// Full memtables.
  package var memtablesWaitingForFlush: UInt64 = 0
  /// Whether range deletes may be stored. Scans of RocksDB are slower meanwhile; a full compaction with no
  /// snapshot held ends it.
  package var mayHoldRangeDeletes = false
  /// What the block cache may hold. What is pinned may exceed it.
  package var cacheCapacityBytes: UInt64 = 0
  /// What the block cache holds, pinned blocks among it.
  package var cacheUsedBytes: UInt64 = 0
  /// Bytes of the cache that reads in flight hold.
  package var cachePinnedBytes: UInt64 = 0
  /// Those under way now.
  package var runningFlushes: UInt64 = 0
  /// Those under way now, manual ones among them.
  package var runningCompactions: UInt64 = 0
  /// Estimate of the bytes compaction has still to rewrite.
  package var pendingCompactionBytes: UInt64 = 0
  /// Bytes a second writes are held down to because compaction is behind; 0: not held down.
  package var delayedWriteRate: UInt64 = 0
  /// Whether writes wait for flush or compaction.
  package var isWriteStopped = false
  /// Snapshots that are held.
  package var snapshotCount: UInt64 = 0
  /// Failed flushes and compactions since open.
  package var backgroundErrors: UInt64 = 0
  /// Why the engine takes no writes; nil when it takes them.
  package var readOnlyReason: String?

  package init() {}

  /// The tables of one level.
  package struct Level: Equatable, Sendable {
    /// Tables.
    package var fileCount: UInt64
    /// Sizes of their files.
    package var bytes: UInt64

    package init(fileCount: UInt64, bytes: UInt64) {
      self.fileCount = fileCount
      self.bytes = bytes
    }
  }
}
