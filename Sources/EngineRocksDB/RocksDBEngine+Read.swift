import CRocksDB
import Engine

extension RocksDBEngine {
  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    guard handle.gate.enter() else { throw .closed }
    defer { handle.gate.leave() }
    let own = try ownSnapshot(snapshot)
    return try lookUp(key, readOptions(own, tier), tier, .get, visit)
  }

  /// - Precondition: called inside the gate; the owner of `options` lives until it returns.
  @inline(__always)
  func lookUp(
    _ key: UnsafeRawBufferPointer, _ options: OpaquePointer, _ tier: ReadTier,
    _ operation: EngineOperation, _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    var message: UnsafeMutablePointer<CChar>?
    // SAFETY: the key is borrowed for the call. The pinned slice holds the value's block or copy until it
    // is destroyed, after `visit`.
    let pinned = rocksdb_get_pinned(
      handle.database, options, key.charPointer, key.count, &message)
    guard let pinned else {
      guard let status = RocksDBStatus(message) else { return .absent }
      if case .memory = tier, status.isIncomplete { return .wouldBlock }
      throw status.error(operation, in: handle.directory)
    }
    defer { rocksdb_pinnableslice_destroy(pinned) }
    var length = 0
    let value = rocksdb_pinnableslice_value(pinned, &length)
    // RocksDB answers "found, empty" for a table it would have to open first. `max_open_files` keeps that
    // from happening; an empty value is read again from the disk all the same, to be sure.
    if case .memory = tier, length == 0 { return .wouldBlock }
    visit(UnsafeRawBufferPointer(start: value, count: length))
    return .found
  }

  func ownSnapshot(
    _ snapshot: (any EngineSnapshot)?
  ) throws(EngineError) -> RocksDBSnapshot? {
    guard let snapshot else { return nil }
    guard let own = snapshot as? RocksDBSnapshot, own.handle === handle else {
      throw .foreignSnapshot
    }
    return own
  }

  /// The prebuilt options; those of a snapshot are valid while it lives.
  @inline(__always)
  func readOptions(_ snapshot: RocksDBSnapshot?, _ tier: ReadTier) -> OpaquePointer {
    guard let snapshot else {
      return switch tier {
      case .any: handle.readAny.options
      case .memory: handle.readMemory.options
      }
    }
    return switch tier {
    case .any: snapshot.readAny.options
    case .memory: snapshot.readMemory.options
    }
  }
}
