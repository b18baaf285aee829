import CRocksDB
import Engine
import Synchronization

/// ``StorageEngine`` on RocksDB 7.8, by its C API.
///
/// Constant after init: `handle`, `rangeDeletesBeforeFlush`. With its own synchronisation: the rest.
/// No call of C happens under the locks of `readOnlyReason` and `pause`.
// SAFETY: `handle` owns the database, and its gate keeps the calls of C out once it is closed.
final class RocksDBEngine: LocalStore {
  let handle: RocksDBHandle
  let rangeDeletesBeforeFlush: Int

  let rangeDeletes = RangeDeleteWatch()
  /// Whether `readOnlyReason` is set: what a write looks at.
  let isReadOnly = Atomic<Bool>(false)
  let readOnlyReason = Mutex<String?>(nil)
  /// Whether RocksDB has stopped writes for a job in the background and will go on by itself.
  let isPaused = Atomic<Bool>(false)
  let pause = Mutex(Pause())

  /// The manifest that was found last.
  let manifest = Mutex<(name: String, number: UInt64)?>(nil)

  // A look-up in 10,000,000 records with a cache of a tenth of them: 8.7 microseconds.
  var traits: EngineTraits { EngineTraits(compactsDeletedRanges: false, lookUpCost: 2) }

  struct Pause {
    /// What RocksDB said; nil when writes are not paused.
    var reason: String?
    /// RocksDB's count of failed jobs when it was looked at last.
    var backgroundErrors: UInt64 = 0
    /// When that count grew last; nil once that is long ago.
    var failedAt: ContinuousClock.Instant?
  }

  /// Opens or creates the database. Blocks on disk I/O.
  init(
    directory: String, options: EngineOptions, settings: RocksDBSettings
  ) throws(EngineError) {
    handle = try RocksDBHandle(directory: directory, options: options, settings: settings)
    rangeDeletesBeforeFlush = max(options.rangeDeletesBeforeFlush, 1)
    if options.isReadOnly {
      // The log was replayed into memtables, where range deletes cannot be counted: "maybe" it stays.
      refuseWrites("it was opened for reading only")
    } else {
      // The open has flushed what it replayed.
      try rangeDeletes.update { tablesHoldNoRangeDeletes() }
    }
  }

  func snapshot() throws(EngineError) -> any EngineSnapshot {
    try unsafe handle.inside { (_) throws(EngineError) in try makeSnapshot() }
  }

  /// - Precondition: called inside the gate.
  func makeSnapshot() throws(EngineError) -> RocksDBSnapshot {
    guard let snapshot = unsafe handle.createSnapshot() else {
      throw .unsupported(failure(.snapshot, "RocksDB gave no snapshot"))
    }
    return unsafe RocksDBSnapshot(snapshot, of: handle)
  }

  func close() throws(EngineError) {
    guard handle.gate.shut() else { return }
    // A running manual compaction would hold the close for as long as it takes.
    unsafe rocksdb_disable_manual_compaction(handle.database)
    handle.gate.waitUntilEmpty()
    var message: UnsafeMutablePointer<CChar>?
    // After a failed write the log is left as it is; its fsync could not be trusted.
    if !isReadOnly.load(ordering: .acquiring) {
      unsafe rocksdb_flush_wal(handle.database, 1, &message)
    }
    handle.destroyDatabase()
    if let status = unsafe RocksDBStatus(message) {
      throw status.error(.close, in: handle.directory)
    }
  }

  /// Makes the engine read-only; the first reason stays.
  func refuseWrites(_ reason: String) {
    readOnlyReason.withLock { if $0 == nil { $0 = reason } }
    isReadOnly.store(true, ordering: .releasing)
  }

  func failure(_ operation: EngineOperation, _ detail: String) -> EngineError.Failure {
    EngineError.Failure(operation: operation, directory: handle.directory, detail: detail)
  }
}
