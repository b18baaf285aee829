import Engine

// Range deletes and the errors of iterators
//
// Before 8.5.2, an iterator of RocksDB that jumps over a range delete forgets the error of a block it could
// not read, and goes on or ends with the status "OK" (facebook/rocksdb#11786; `MergingIterator::SeekImpl`
// and `LevelIterator::TrySetDeleteRangeSentinel` in 7.8.3). That is a short answer after a disk error, and
// an everyday one in the memory tier, where "not in memory" is such an error. An iterator that ignores range
// deletes does not jump and keeps its errors, and so does a point read, which heeds them. So:
//
// - While there are no range deletes, which is the rule, a scan uses one iterator that ignores them.
// - While there may be some, that iterator (`records`) says what there is, and a second one that heeds
//   range deletes (`hint`) runs beside it. A record both show is visible: `hint` takes range deletes from
//   memory and so misses none, and what it shows has a version that no range delete covers. A record that
//   `hint` leaves out is covered, or `hint` has lost an error: a point read decides.

// SAFETY: Iterators are local to a call inside the gate. A key and a value are lent until the iterator moves, which it
// does after `visit`.
extension RocksDBEngine {
  /// Hidden records in a row after which a memory-tier scan gives up: each costs a point read, and the
  /// caller's thread has other work.
  private static let hiddenRecordLimit = 256

  @safe
  func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier,
    _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    precondition(limit >= 0, "the limit of a scan is not negative")
    guard handle.gate.enter() else { throw .closed }
    defer { handle.gate.leave() }
    let own = try ownSnapshot(snapshot)
    if limit == 0 { return .limitReached }
    if range.isEmpty { return .complete }
    let tier = offered(tier)
    let waiting = RocksDBWaiting(tier)
    defer { waiting.end() }

    if !rangeDeletes.mayBePresent {
      let records = unsafe RocksDBIterator(
        handle.database, range: range, tier: tier, snapshot: own, ignoringRangeDeletes: true)
      // Asked again: what the iterator shows is settled only now.
      if !rangeDeletes.mayBePresent {
        return try visitAll(of: records, direction, limit: limit, tier, visit)
      }
    }
    // Both iterators and the point reads must see the same state.
    let point = if let own { own } else { try makeSnapshot() }
    return try visitVisible(range, direction, limit: limit, point, tier, visit)
  }

  @safe
  private func visitAll(
    of records: borrowing RocksDBIterator, _ direction: ScanDirection, limit: Int,
    _ tier: ReadTier, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    records.seekToStart(direction)
    var visited = 0
    while records.isValid {
      if case .stop = unsafe visit(records.key, records.value) { return .stopped }
      visited += 1
      if visited == limit { return .limitReached }
      records.move(direction)
    }
    return try end(of: records, tier)
  }

  @safe
  private func visitVisible(
    _ range: KeyRange, _ direction: ScanDirection, limit: Int, _ snapshot: RocksDBSnapshot,
    _ tier: ReadTier, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    let records = unsafe RocksDBIterator(
      handle.database, range: range, tier: tier, snapshot: snapshot, ignoringRangeDeletes: true)
    let hint = unsafe RocksDBIterator(
      handle.database, range: range, tier: tier, snapshot: snapshot, ignoringRangeDeletes: false)
    records.seekToStart(direction)
    hint.seekToStart(direction)
    var visited = 0
    var hidden = 0
    while records.isValid {
      let key = records.key
      let outcome =
        unsafe hint.passes(key, direction)
        ? .found : try lookUp(key, readOptions(snapshot, tier), tier, .scan) { _ in }
      switch outcome {
      case .wouldBlock: return .wouldBlock
      case .absent:
        hidden += 1
        if tier.neverBlocks, hidden == Self.hiddenRecordLimit { return .wouldBlock }
      case .found:
        hidden = 0
        if case .stop = unsafe visit(key, records.value) { return .stopped }
        visited += 1
        if visited == limit { return .limitReached }
      }
      records.move(direction)
    }
    return try end(of: records, tier)
  }

  private func end(
    of records: borrowing RocksDBIterator, _ tier: ReadTier
  ) throws(EngineError) -> ScanOutcome {
    // An iterator that met an error is as invalid as one at its end: only its status tells them apart.
    guard let status = records.status else { return .complete }
    if tier.neverBlocks, status.isIncomplete { return .wouldBlock }
    throw status.error(.scan, in: handle.directory)
  }
}
