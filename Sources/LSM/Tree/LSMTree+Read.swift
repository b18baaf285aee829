// SAFETY: A value lives as long as the memtable or pinned block it is in, and these are held until `visit` returns; a
// table is borrowed from a version that the read state holds.
extension LSMTree {
  /// How a lookup ended.
  package enum Outcome: Sendable, Equatable {
    /// The value was visited.
    case found
    case absent
    /// The answer is not where the tier may look.
    case wouldBlock
  }

  /// Looks one key up and hands its value to `visit`. Takes no lock.
  ///
  /// - Parameters:
  ///   - snapshot: nil for the newest state.
  ///   - tier: with `memory` and `pageCache` the call never waits for the disk.
  ///   - visit: called at most once, with bytes borrowed until it returns.
  /// - Throws: ``LSMError/corruption(_:)``, ``LSMError/io(_:)``, ``LSMError/closed(path:)``.
  /// - Complexity: O(log n) for each memtable, table of level 0 and level; filters spare almost all of them.
  @safe
  package func get(
    _ key: UnsafeRawBufferPointer, snapshot: TreeSnapshot?, tier: Table.ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(LSMError) -> Outcome {
    try readState.withValue { (state) throws(LSMError) -> Outcome in
      guard let state else { throw .closed(path: directory) }
      // After the state: what a state has merged away, no later change still needs.
      let sequence = snapshot?.sequence ?? visibleSequence
      let hash = BloomFilter.hash(key)
      return try Self.look(
        key, hash, state.memtable.get(key, hash: hash, at: sequence), in: state, at: sequence, tier,
        visit)
    }
  }

  /// How a lookup of several keys ended.
  package enum ManyOutcome: Sendable, Equatable {
    case complete
    /// `visit` said so.
    case stopped
    /// As for one key: of the key after those that were visited.
    case wouldBlock
  }

  /// Looks several keys up at one moment, and hands their values to `visit` in the order of the keys. Takes no lock.
  ///
  /// In the newest memtable the waits for the memory of several keys overlap.
  ///
  /// - Parameters:
  ///   - snapshot, tier: as for one key.
  ///   - visit: called for each key, with its index and its value, nil when it is absent, borrowed until it returns;
  ///     false ends it.
  /// - Throws: as for one key; the keys before were visited.
  @safe
  package func get(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, snapshot: TreeSnapshot?,
    tier: Table.ReadTier, _ visit: (Int, UnsafeRawBufferPointer?) -> Bool
  ) throws(LSMError) -> ManyOutcome {
    // Several waits for the disk are too long for an epoch: what a flush or a compaction replaces would be kept.
    if tier == .any {
      return try look(keys, in: readState.strongValue(), snapshot, tier, visit)
    }
    return try readState.withValue { (state) throws(LSMError) in
      try look(keys, in: state, snapshot, tier, visit)
    }
  }

  @safe
  private func look(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, in state: ReadState?,
    _ snapshot: TreeSnapshot?, _ tier: Table.ReadTier,
    _ visit: (Int, UnsafeRawBufferPointer?) -> Bool
  ) throws(LSMError) -> ManyOutcome {
    guard let state else { throw .closed(path: directory) }
    // After the state, as for one key.
    let sequence = snapshot?.sequence ?? visibleSequence
    // In groups of one size: a search alone would wait for all of its memory.
    let groups = (keys.count + SkipList.groupCount - 1) / SkipList.groupCount
    let size = groups == 0 ? 0 : (keys.count + groups - 1) / groups
    var first = 0
    while first < keys.count {
      let group = unsafe keys[first..<min(first + size, keys.count)]
      let places = state.memtable.entries.places(of: group, at: sequence)
      for index in unsafe group.indices {
        let key = unsafe keys[index]
        var isWanted = true
        let lookup = state.memtable.get(key, place: places.entries[index - first], at: sequence)
        switch try Self.look(
          key, places.hashes[index - first], lookup, in: state, at: sequence, tier,
          { isWanted = unsafe visit(index, $0) })
        {
        case .found: break
        case .absent: isWanted = visit(index, nil)
        case .wouldBlock: return .wouldBlock
        }
        if !isWanted { return .stopped }
      }
      first += size
    }
    return .complete
  }

  /// - Parameter newest: what the newest memtable knows of the key.
  @inline(__always)
  @safe
  private static func look(
    _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ newest: Memtable.Lookup, in state: ReadState,
    at sequence: SequenceNumber, _ tier: Table.ReadTier, _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(LSMError) -> Outcome {
    switch newest {
    case .value(let value, _):
      unsafe visit(value)
      return .found
    case .deleted: return .absent
    case .absent: break
    }
    for memtable in state.immutables {
      switch memtable.get(key, hash: hash, at: sequence) {
      case .value(let value, _):
        unsafe visit(value)
        return .found
      case .deleted: return .absent
      case .absent: continue
      }
    }
    return try look(key, hash, in: state.version, at: sequence, tier, visit)
  }

  @safe
  private static func look(
    _ key: UnsafeRawBufferPointer, _ hash: UInt64, in version: Version,
    at sequence: SequenceNumber, _ tier: Table.ReadTier, _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(LSMError) -> Outcome {
    for file in version.level0 {
      switch try file.table.get(key, hash: hash, at: sequence, tier: tier, visit) {
      case .value: return .found
      case .deleted: return .absent
      case .wouldBlock: return .wouldBlock
      case .absent: continue
      }
    }
    for run in version.runs {
      guard let table = unsafe run.table(for: key) else { continue }
      let lookup = try unsafe table.borrow { (table) throws(LSMError) in
        try table.get(key, hash: hash, at: sequence, tier: tier, visit)
      }
      switch lookup {
      case .value: return .found
      case .deleted: return .absent
      case .wouldBlock: return .wouldBlock
      case .absent: continue
      }
    }
    return .absent
  }

  // MARK: - Snapshots

  /// The state of now, kept readable until the last reference is gone. O(1), no I/O.
  package func snapshot() -> TreeSnapshot {
    TreeSnapshot(of: self, snapshots.take { visibleSequence })
  }

  fileprivate func release(_ snapshot: SequenceNumber) {
    // A compaction that it held back may run now.
    if snapshots.release(snapshot) { state.wakeSurely() }
  }
}

/// One consistent point of a tree. Holding one keeps what was overwritten or deleted since on disk.
///
/// Thread-safety: immutable; the last reference may go on any thread, also after the tree was closed.
package final class TreeSnapshot: Sendable {
  /// The tree that it was taken from, and that alone knows it.
  package let tree: LSMTree
  let sequence: SequenceNumber

  fileprivate init(of tree: LSMTree, _ sequence: SequenceNumber) {
    self.tree = tree
    self.sequence = sequence
  }

  deinit { tree.release(sequence) }
}
