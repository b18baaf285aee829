import CRocksDB
import Engine
import Glibc
import Synchronization

// SAFETY: Every call of C is made inside the gate, so the database is open; what it creates is destroyed in the same
// function, by `defer`.
extension RocksDBEngine {
  func checkpoint(to directory: String) throws(EngineError) {
    guard !directory.utf8.contains(0) else {
      throw .invalidPath(path: directory, reason: "it holds a NUL byte")
    }
    guard unsafe access(directory, F_OK) != 0 else {
      throw .invalidPath(path: directory, reason: "it exists already; name a new directory")
    }
    try unsafe handle.inside { (database) throws(EngineError) in
      var message: UnsafeMutablePointer<CChar>?
      let checkpoint = unsafe rocksdb_checkpoint_object_create(database, &message)
      if let status = unsafe RocksDBStatus(message) {
        throw status.error(.checkpoint, in: directory)
      }
      defer { unsafe rocksdb_checkpoint_object_destroy(checkpoint) }
      // 0: always flush first. The checkpoint then consists of tables, which are fsynced; a copied log
      // might not be.
      unsafe rocksdb_checkpoint_create(checkpoint, directory, 0, &message)
      if let status = unsafe RocksDBStatus(message) {
        throw status.error(.checkpoint, in: directory)
      }
    }
  }

  func flush() throws(EngineError) {
    try unsafe handle.inside { (_) throws(EngineError) in
      try checkWritable()
      if let status = flushMemtable(wait: true) { throw status.error(.flush, in: handle.directory) }
    }
  }

  func compact(_ range: KeyRange?) throws(EngineError) {
    try unsafe handle.inside { (_) throws(EngineError) in
      try checkWritable()
      try rangeDeletes.update { () throws(EngineError) in
        // RocksDB flushes only memtables that overlap the range. Inside the update: a range delete that
        // is written while this flush runs stands in the next memtable, where no table counts it.
        if let status = flushMemtable(wait: true) {
          throw status.error(.compact, in: handle.directory)
        }
        try compactTables(range ?? .all)
        return tablesHoldNoRangeDeletes()
      }
    }
  }

  private func compactTables(_ range: KeyRange) throws(EngineError) {
    let errorsBefore = property("rocksdb.background-errors")
    let bounds = RocksDBBounds(range)
    let options = unsafe rocksdb_compactoptions_create()
    defer { unsafe rocksdb_compactoptions_destroy(options) }
    // Automatic compactions of other ranges may go on beside it.
    unsafe rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0)
    // kForceOptimized: the last level too, except what this call has just written there.
    unsafe rocksdb_compactoptions_set_bottommost_level_compaction(options, 3)
    // An empty lower key means the same as none.
    unsafe rocksdb_compact_range_opt(
      handle.database, options, bounds.lower.charPointer, bounds.lower.count,
      bounds.upper.charPointer, bounds.upper.count)
    if handle.gate.isShut { throw .closed }
    // The C call reports nothing.
    if property("rocksdb.background-errors") > errorsBefore {
      throw .io(failure(.compact, "a background job failed; the file LOG there says which"))
    }
  }

  /// Whether no table holds a range delete, by the tables' own counts; false when RocksDB does not say.
  func tablesHoldNoRangeDeletes() -> Bool {
    guard
      let text = unsafe rocksdb_property_value(
        handle.database, "rocksdb.aggregated-table-properties")
    else { return false }
    defer { unsafe rocksdb_free(text) }
    return unsafe String(cString: text).contains("# range deletions=0;")
  }

  func statistics() throws(EngineError) -> EngineStatistics {
    try unsafe handle.inside { (_) throws(EngineError) in
      var statistics = EngineStatistics()
      statistics.estimatedKeyCount = property("rocksdb.estimate-num-keys")
      statistics.estimatedLiveBytes = property("rocksdb.estimate-live-data-size")
      statistics.levels = levels()
      statistics.tableBytes = property("rocksdb.total-sst-files-size")
      statistics.logBytes = logBytes()
      statistics.memtableBytes = property("rocksdb.cur-size-all-mem-tables")
      statistics.memtablesWaitingForFlush = property("rocksdb.num-immutable-mem-table")
      statistics.mayHoldRangeDeletes = rangeDeletes.mayBePresent
      statistics.cacheCapacityBytes = property("rocksdb.block-cache-capacity")
      statistics.cacheUsedBytes = property("rocksdb.block-cache-usage")
      statistics.cachePinnedBytes = property("rocksdb.block-cache-pinned-usage")
      statistics.runningFlushes = property("rocksdb.num-running-flushes")
      statistics.runningCompactions = property("rocksdb.num-running-compactions")
      statistics.pendingCompactionBytes = property("rocksdb.estimate-pending-compaction-bytes")
      statistics.delayedWriteRate = property("rocksdb.actual-delayed-write-rate")
      statistics.isWriteStopped = property("rocksdb.is-write-stopped") != 0
      statistics.snapshotCount = property("rocksdb.num-snapshots")
      statistics.backgroundErrors = property("rocksdb.background-errors")
      statistics.readOnlyReason = readOnlyReason.withLock { $0 } ?? pause.withLock { $0.reason }
      return statistics
    }
  }

  /// A numeric property; 0 for one RocksDB does not know.
  func property(_ name: String) -> UInt64 {
    var value: UInt64 = 0
    return unsafe rocksdb_property_int(handle.database, name, &value) == 0 ? value : 0
  }

  private func levels() -> [EngineStatistics.Level] {
    let files = unsafe rocksdb_livefiles(handle.database)
    defer { unsafe rocksdb_livefiles_destroy(files) }
    var levels: [EngineStatistics.Level] = []
    for index in unsafe 0..<rocksdb_livefiles_count(files) {
      let level = unsafe Int(rocksdb_livefiles_level(files, index))
      while levels.count <= level { levels.append(.init(fileCount: 0, bytes: 0)) }
      levels[level].fileCount += 1
      unsafe levels[level].bytes += UInt64(rocksdb_livefiles_size(files, index))
    }
    return levels
  }

  func lastSequence() throws(EngineError) -> UInt64 {
    try unsafe handle.inside { (database) throws(EngineError) in
      unsafe rocksdb_get_latest_sequence_number(database)
    }
  }

  func manifestExtent() -> ManifestExtent? {
    let file = manifest.withLock { manifest -> (name: String, number: UInt64)? in
      // A manifest is replaced when it has 4 MiB, and at an open.
      if let manifest, RocksDBFiles.size(manifest.name, in: handle.directory) != nil {
        return manifest
      }
      manifest = RocksDBFiles.names(in: handle.directory).compactMap { name in
        guard name.hasPrefix("MANIFEST-"), let number = UInt64(name.dropFirst(9)) else {
          return nil
        }
        return (name, number)
      }.max { $0.number < $1.number }
      return manifest
    }
    guard let file, let bytes = RocksDBFiles.size(file.name, in: handle.directory) else {
      return nil
    }
    return ManifestExtent(number: file.number, bytes: bytes)
  }

  /// RocksDB has no property for it: the sum of the `.log` files.
  private func logBytes() -> UInt64 {
    RocksDBFiles.names(in: handle.directory).filter { $0.hasSuffix(".log") }
      .reduce(0) { $0 + (RocksDBFiles.size($1, in: handle.directory) ?? 0) }
  }
}
