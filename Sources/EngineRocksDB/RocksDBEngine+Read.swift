import CRocksDB
import CRocksDBParts
import Engine

// SAFETY: Inside the gate the database is open, and `handle` or the snapshot owns the read options. The value is lent
// until `visit` returns, before its pin is destroyed.
extension RocksDBEngine {
  @safe
  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    guard handle.gate.enter() else { throw .closed }
    defer { handle.gate.leave() }
    let own = try ownSnapshot(snapshot)
    let tier = offered(tier)
    let waiting = RocksDBWaiting(tier)
    defer { waiting.end() }
    return try unsafe lookUp(key, readOptions(own, tier), tier, .get, visit)
  }

  /// The tier itself, or the memory tier where the page cache cannot be asked for.
  @inline(__always)
  func offered(_ tier: ReadTier) -> ReadTier {
    if case .pageCache = tier, !handle.options.readsPageCache { .memory } else { tier }
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
    let pinned = unsafe rocksdb_get_pinned(
      handle.database, options, key.charPointer, key.count, &message)
    guard let pinned = unsafe pinned else {
      guard let status = unsafe RocksDBStatus(message) else { return .absent }
      if tier.neverBlocks, status.isIncomplete { return .wouldBlock }
      throw status.error(operation, in: handle.directory)
    }
    defer { unsafe rocksdb_pinnableslice_destroy(pinned) }
    var length = 0
    let value = unsafe rocksdb_pinnableslice_value(pinned, &length)
    // RocksDB answers "found, empty" for a table it would have to open first. `max_open_files` keeps that
    // from happening; an empty value is read again from the disk all the same, to be sure.
    if case .memory = tier, length == 0 { return .wouldBlock }
    unsafe visit(UnsafeRawBufferPointer(start: value, count: length))
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
      case .any: unsafe handle.readAny.options
      case .memory: unsafe handle.readMemory.options
      case .pageCache: unsafe handle.readPageCache.options
      }
    }
    return switch tier {
    case .any: unsafe snapshot.readAny.options
    case .memory: unsafe snapshot.readMemory.options
    case .pageCache: unsafe snapshot.readPageCache.options
    }
  }
}

/// Keeps the calling thread from waiting for the disk in RocksDB's reads of tables, where their tier says so.
///
/// To be ended on the same thread, before the call returns.
struct RocksDBWaiting {
  private let isForbidden: Bool

  @inline(__always)
  init(_ tier: ReadTier) {
    isForbidden = if case .pageCache = tier { true } else { false }
    if isForbidden { page_cache_files_set_waiting(false) }
  }

  @inline(__always)
  func end() { if isForbidden { page_cache_files_set_waiting(true) } }
}
