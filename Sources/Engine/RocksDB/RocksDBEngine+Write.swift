import CRocksDB
import Synchronization

extension RocksDBEngine {
  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    guard handle.gate.enter() else { throw .closed }
    defer { handle.gate.leave() }
    try checkWritable()
    if batch.isEmpty { return }
    let image = batch.image
    // SAFETY: the image is borrowed for the call, which copies it.
    let copy = rocksdb_writebatch_create_from(
      image.charPointer, image.count)
    defer { rocksdb_writebatch_destroy(copy) }
    let hasRangeDeletes = batch.rangeDeleteCount > 0
    if hasRangeDeletes { rangeDeletes.willWrite() }
    var message: UnsafeMutablePointer<CChar>?
    rocksdb_write(
      handle.database, durability == .sync ? handle.writeSync : handle.writeBuffered, copy,
      &message)
    if hasRangeDeletes { rangeDeletes.didWrite() }
    if let status = RocksDBStatus(message) {
      // Even where RocksDB would try again by itself: after a failed fsync the kernel may have dropped the
      // pages it could not write, and a later fsync reports success.
      let error = status.error(.apply, in: handle.directory)
      refuseWrites(
        "a write failed (\(status.text)); free or repair the disk, then restart the server")
      throw error
    }
    if hasRangeDeletes { flushIfNeeded(batch.rangeDeleteCount) }
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
    if let status = flushMemtable(wait: false) {
      refuseWrites("a flush failed (\(status.text)); repair the disk, then restart the server")
    }
  }

  /// - Precondition: called inside the gate.
  func flushMemtable(wait: Bool) -> RocksDBStatus? {
    let options = rocksdb_flushoptions_create()
    defer { rocksdb_flushoptions_destroy(options) }
    rocksdb_flushoptions_set_wait(options, wait ? 1 : 0)
    var message: UnsafeMutablePointer<CChar>?
    rocksdb_flush(handle.database, options, &message)
    return RocksDBStatus(message)
  }
}
