import Bytes

// SAFETY: The caller's bounds are borrowed until the scan returns. A key and a value are lent to `visit` before the
// iterator moves on; where they must outlast a move they are copied into writers of the scan's own.
extension LSMTree {
  /// How a scan ended, errors apart.
  package enum ScanOutcome: Sendable, Equatable {
    case complete
    /// The visitor said so.
    case stopped
    case limitReached
    /// What comes next is not where the tier may look.
    case wouldBlock
  }

  /// Visits the records from `lower` up to `upper` (nil: no end) in key order, ascending or descending.
  ///
  /// On ``ScanOutcome/wouldBlock`` and on an error the visitor has seen the first part of the answer,
  /// in order and without holes.
  ///
  /// - Parameters:
  ///   - limit: the largest number of records to visit.
  ///   - visit: gets key and value, borrowed until it returns; false ends the scan.
  /// - Complexity: O(log n) to find the start, then O(1) for each version of a record on the way. What a
  ///   range tombstone covers in older tables is jumped over.
  @safe
  package func scan(
    from lower: UnsafeRawBufferPointer, upTo upper: UnsafeRawBufferPointer?, descending: Bool,
    limit: Int, snapshot: TreeSnapshot?, tier: Table.ReadTier,
    _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
  ) throws(LSMError) -> ScanOutcome {
    guard let state = readState.strongValue() else { throw .closed(path: directory) }
    if limit <= 0 { return .limitReached }
    let sequence = snapshot?.sequence ?? visibleSequence
    var scan = unsafe TreeScan(state, from: lower, upTo: upper, at: sequence, tier)
    do throws(LSMError) {
      return descending
        ? try scan.descend(limit: limit, visit) : try scan.ascend(limit: limit, visit)
    } catch .wouldBlock {
      return .wouldBlock
    }
  }
}

/// One pass over the records of a range, at one point in time.
///
/// Thread-safety: none; one owner, on one thread. The bounds are borrowed until it ends.
@safe
struct TreeScan: ~Copyable {
  private let state: ReadState
  @safe private let lower: UnsafeRawBufferPointer
  @safe private let upper: UnsafeRawBufferPointer?
  private let sequence: SequenceNumber
  private let tier: Table.ReadTier
  private var entries: MergingIterator
  private var tombstones: CoveringTombstones
  /// The user key at hand: its older versions do not count.
  private var key = ByteWriter()
  private var hasKey = false
  private var value = ByteWriter()
  private var visited = 0
  private var hidden = 0

  /// Entries in a row that a scan in memory may pass without a record: its thread has other work.
  private static let hiddenLimit = 4096
  /// The same, in all, where each may be in a block that has to be read.
  private static let hiddenLimitInPageCache = 128

  init(
    _ state: ReadState, from lower: UnsafeRawBufferPointer, upTo upper: UnsafeRawBufferPointer?,
    at sequence: SequenceNumber, _ tier: Table.ReadTier
  ) {
    self.state = state
    self.lower = unsafe lower
    self.upper = unsafe upper
    self.sequence = sequence
    self.tier = tier
    var sources = ([state.memtable] + state.immutables).filter { $0.entries.count > 0 }
      .map { MergeSource($0) }
    var indexes = ([state.memtable] + state.immutables).flatMap(\.rangeTombstoneIndexes)
    let version = state.version
    for level in 0..<Version.levelCount {
      let files = version.overlapping(lower, through: upper, at: level)
      if files.isEmpty { continue }
      if level == 0 {
        sources += files.map { MergeSource($0, tier) }
      } else {
        sources.append(MergeSource(files, tier))
      }
      if version.hasRangeTombstones {
        indexes += files.compactMap(\.table.rangeTombstoneIndex)
      }
    }
    entries = MergingIterator(sources)
    tombstones = CoveringTombstones(indexes, at: sequence)
  }

  // MARK: - Forwards

  @safe
  mutating func ascend(
    limit: Int, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
  ) throws(LSMError) -> LSMTree.ScanOutcome {
    try unsafe entries.seek(.first(of: lower))
    while entries.isValid {
      let entry = entries.key
      if let upper, KeyOrder.compare(entry.userKey, upper) >= 0 { return .complete }
      if unsafe entry.sequence > sequence
        || (hasKey && KeyOrder.compare(key.bytes, entry.userKey) == 0)
      {
        try pass()
        try entries.next()
        continue
      }
      // The newest version that counts.
      key.removeAll()
      key.append(entry.userKey)
      hasKey = true
      if let newest = tombstones.covering(entry.userKey), newest > entry.sequence {
        try pass()
        try skipForwards(newest)
        continue
      }
      if entry.kind == .value {
        if tier != .pageCache { hidden = 0 }
        visited &+= 1
        if unsafe !visit(entry.userKey, entries.value) { return .stopped }
        if visited == limit { return .limitReached }
      } else {
        try pass()
      }
      try entries.next()
    }
    return .complete
  }

  /// From an entry that a range tombstone covers to the next one of its source, or, when all of the source's
  /// table is older than the tombstone, after the tombstone's end.
  private mutating func skipForwards(_ newest: SequenceNumber) throws(LSMError) {
    if let end = tombstones.upper, let largest = entries.largestSequence, largest < newest {
      try unsafe entries.seekTop(.first(of: end))
    } else {
      try entries.next()
    }
  }

  // MARK: - Backwards

  /// Going back, the oldest version of a key comes first: the last one that counts is kept until another key
  /// or the end shows that it was the newest.
  @safe
  mutating func descend(
    limit: Int, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
  ) throws(LSMError) -> LSMTree.ScanOutcome {
    if let upper {
      try unsafe entries.seekBefore(.first(of: upper))
    } else {
      try entries.seekToLast()
    }
    var isValue = false
    while entries.isValid {
      let entry = entries.key
      let isSameKey = unsafe hasKey && KeyOrder.compare(key.bytes, entry.userKey) == 0
      if !isSameKey, isValue {
        isValue = false
        if tier != .pageCache { hidden = 0 }
        visited &+= 1
        if unsafe !visit(key.bytes, value.bytes) { return .stopped }
        if visited == limit { return .limitReached }
      }
      if KeyOrder.compare(entry.userKey, lower) < 0 { return .complete }
      guard entry.sequence <= sequence else {
        try pass()
        try entries.previous()
        continue
      }
      if !isSameKey {
        key.removeAll()
        key.append(entry.userKey)
        hasKey = true
      }
      if let newest = tombstones.covering(entry.userKey), newest > entry.sequence {
        isValue = false
        try pass()
        try skipBackwards(newest)
        continue
      }
      isValue = entry.kind == .value
      if isValue {
        value.removeAll()
        value.append(entries.value)
      } else {
        try pass()
      }
      try entries.previous()
    }
    if isValue { return unsafe visit(key.bytes, value.bytes) ? end(limit) : .stopped }
    return .complete
  }

  private mutating func end(_ limit: Int) -> LSMTree.ScanOutcome {
    visited &+= 1
    return visited == limit ? .limitReached : .complete
  }

  /// As ``skipForwards(_:)``, to before the tombstone's start.
  private mutating func skipBackwards(_ newest: SequenceNumber) throws(LSMError) {
    if let begin = tombstones.lower, let largest = entries.largestSequence, largest < newest {
      try unsafe entries.seekTopBefore(.first(of: begin))
    } else {
      try entries.previous()
    }
  }

  /// Counts an entry that is no record.
  private mutating func pass() throws(LSMError) {
    hidden &+= 1
    switch tier {
    case .any, .anyWithoutFilling: return
    case .memory: if hidden >= Self.hiddenLimit { throw .wouldBlock }
    case .pageCache: if hidden >= Self.hiddenLimitInPageCache { throw .wouldBlock }
    }
  }
}
