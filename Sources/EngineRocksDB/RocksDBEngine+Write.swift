import CRocksDB
import Engine
import Synchronization

// SAFETY: Every call of C is made inside the gate, so the database is open; what is created here is destroyed here,
// and C copies the image.
extension RocksDBEngine {
  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    guard handle.gate.enter() else { throw .closed }
    defer { handle.gate.leave() }
    try checkWritable()
    if batch.isEmpty { return }
    let image = unsafe batch.image
    // SAFETY: the image is borrowed for the call, which copies it.
    let copy = unsafe rocksdb_writebatch_create_from(
      image.charPointer, image.count)
    defer { unsafe rocksdb_writebatch_destroy(copy) }
    let hasRangeDeletes = batch.rangeDeleteCount > 0
    if hasRangeDeletes { rangeDeletes.willWrite() }
    let options =
      switch durability {
      case .sync: unsafe handle.writeSync
      case .buffered: unsafe handle.writeBuffered
      }
    var message: UnsafeMutablePointer<CChar>?
    unsafe rocksdb_write(handle.database, options, copy, &message)
    if hasRangeDeletes { rangeDeletes.didWrite() }
    if let status = unsafe RocksDBStatus(message) { throw refusal(status) }
    if isPaused.load(ordering: .relaxed) { endPause() }
    if hasRangeDeletes { flushIfNeeded(batch.rangeDeleteCount) }
  }

  /// Takes in that RocksDB did not write, and gives the error to throw.
  ///
  /// Two kinds of failure end in different states:
  ///
  /// - No room on the disk for a table or a manifest of a flush. RocksDB takes no writes then, looks every few
  ///   seconds whether there is room, and flushes all memtables before it takes one again
  ///   (rocksdb:db/error_handler.cc, file/sst_file_manager_impl.cc). All that was acknowledged is in the log, so
  ///   nothing is in doubt: a pause. A write that meets it was not tried.
  /// - Everything else: a log that was written in part, and a failed fsync above all, after which the kernel may
  ///   have dropped the pages it could not write, while a later fsync reports success. No more writes, also where
  ///   RocksDB would try again.
  private func refusal(_ status: borrowing RocksDBStatus) -> EngineError {
    let error = status.error(.apply, in: handle.directory)
    guard case .noSpace = error, !status.isFailedSync, !status.isAboutLog else {
      refuseWrites(status.text)
      return error
    }
    pause.withLock { $0.reason = status.text }
    isPaused.store(true, ordering: .relaxed)
    return .writesPaused(reason: status.text, isDiskFull: true)
  }

  private func endPause() {
    pause.withLock { pause in
      // RocksDB has written all memtables before it took writes again: what had failed is done.
      if pause.reason != nil { pause.failedAt = nil }
      pause.reason = nil
    }
    isPaused.store(false, ordering: .relaxed)
  }

  func writeState() -> WriteState {
    guard handle.gate.enter() else { return .refused(reason: "the engine is closed") }
    defer { handle.gate.leave() }
    if let reason = readOnlyReason.withLock({ $0 }) { return .refused(reason: reason) }
    let errors = property("rocksdb.background-errors")
    let (hasFailed, isPaused) = pause.withLock { pause in
      let now = ContinuousClock.now
      if pause.backgroundErrors != errors { pause.failedAt = now }
      pause.backgroundErrors = errors
      // RocksDB does not say when a job that failed has succeeded; it tries again within seconds.
      if let failedAt = pause.failedAt, now - failedAt > .seconds(30) { pause.failedAt = nil }
      return (pause.failedAt != nil, pause.reason != nil)
    }
    guard hasFailed || isPaused else { return .open }
    // RocksDB has no call that tells whether it takes writes: an empty batch is 19 bytes of log.
    let empty = unsafe rocksdb_writebatch_create()
    defer { unsafe rocksdb_writebatch_destroy(empty) }
    var message: UnsafeMutablePointer<CChar>?
    unsafe rocksdb_write(handle.database, handle.writeBuffered, empty, &message)
    guard let status = unsafe RocksDBStatus(message) else {
      endPause()
      return hasFailed && !isPaused
        ? .strained(reason: "a flush or compaction failed; the file LOG of the store says which")
        : .open
    }
    _ = refusal(status)
    return readOnlyReason.withLock { $0 }.map { .refused(reason: $0) }
      ?? .paused(reason: status.text)
  }

  func checkWritable() throws(EngineError) {
    guard isReadOnly.load(ordering: .acquiring) else { return }
    throw .readOnly(reason: readOnlyReason.withLock { $0 } ?? "an earlier write failed")
  }

  /// Starts a flush once enough range deletes have gathered (``EngineOptions/rangeDeletesBeforeFlush``).
  private func flushIfNeeded(_ rangeDeleteCount: Int) {
    guard rangeDeletes.countUnflushed(rangeDeleteCount, limit: rangeDeletesBeforeFlush) else {
      return
    }
    // The batch is written; an error of the flush belongs to later writes.
    if let status = flushMemtable(wait: false) { _ = refusal(status) }
  }

  /// - Precondition: called inside the gate.
  func flushMemtable(wait: Bool) -> RocksDBStatus? {
    let options = unsafe rocksdb_flushoptions_create()
    defer { unsafe rocksdb_flushoptions_destroy(options) }
    unsafe rocksdb_flushoptions_set_wait(options, wait ? 1 : 0)
    var message: UnsafeMutablePointer<CChar>?
    unsafe rocksdb_flush(handle.database, options, &message)
    return unsafe RocksDBStatus(message)
  }
}
