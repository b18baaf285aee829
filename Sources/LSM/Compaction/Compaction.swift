/// Tables to be merged into a level, or moved there as they are.
package struct Compaction: Sendable {
  /// Why it is made.
  package enum Reason: String, Sendable {
    case levelZeroCount, levelSize, tombstones, reclaimable, manual, levelZeroMerge
  }

  /// What made the picker choose it; nothing is decided by it later.
  package let reason: Reason
  /// The level of `upper`.
  package let level: Int
  /// The level that its tables go to.
  package let outputLevel: Int
  /// Tables of `level`. Of level 0: a run of neighbours in time, newest first.
  package let upper: [TableFile]
  /// Tables of `outputLevel` that overlap them; none when both levels are the same.
  package let lower: [TableFile]
  /// The version it was picked from.
  let version: Version

  var inputs: [TableFile] { upper + lower }

  /// Bytes of all inputs.
  var inputBytes: UInt64 { inputs.reduce(0) { $0 + $1.metadata.fileBytes } }

  /// Whether the tables can go down unread: nothing in their way, nothing to be dropped on it.
  package var isMove: Bool {
    guard outputLevel > level, lower.isEmpty else { return false }
    if upper.contains(where: {
      $0.metadata.rangeTombstoneCount > 0 || $0.metadata.reclaimableCount > 0
    }) {
      return false
    }
    guard level == 0 else { return true }
    let sorted = upper.sorted { $0.smallest < $1.smallest }
    return zip(sorted, sorted.dropFirst()).allSatisfy { left, right in
      !left.isNotBefore(right.smallest.userKey)
    }
  }

  /// Newest change among the inputs' epochs: what a table of level 0 made of them counts as.
  var outputEpoch: UInt64 { upper.map(\.metadata.epoch).max() ?? 0 }

  /// Tables of the level below the output that its keys overlap.
  var grandparents: [TableFile] {
    guard outputLevel > 0, outputLevel < Version.lastLevel,
      let bounds = KeySpan(of: inputs)
    else { return [] }
    return bounds.withBounds { lower, upper in
      version.overlapping(lower, through: upper, at: outputLevel + 1)
    }
  }

  /// Lower tables that a range tombstone of the upper ones covers as a whole, for every reader: they need
  /// not be read.
  func coveredTables(_ stripes: SnapshotStripes) -> [TableFile] {
    let tombstones = upper.flatMap { $0.table.rangeTombstones }
    if tombstones.isEmpty { return [] }
    return lower.filter { file in
      file.metadata.rangeTombstoneCount == 0
        && tombstones.contains { tombstone in
          tombstone.sequence > file.metadata.largestSequence
            && stripes.isSeenByAll(tombstone.sequence)
            && tombstone.covers(file.smallest.userKey) && tombstone.covers(file.largest.userKey)
        }
    }
  }
}

/// The user keys that tables span, with inclusive ends.
// SAFETY: The bounds are borrowed from table files that the caller holds, and are copied before init returns.
struct KeySpan {
  private(set) var lower: [UInt8]
  private(set) var upper: [UInt8]

  /// Nil for no tables.
  init?(of files: [TableFile]) {
    guard let first = files.first else { return nil }
    var smallest = first.smallest.userKey
    var largest = first.largest.userKey
    for file in files.dropFirst() {
      if KeyOrder.compare(file.smallest.userKey, smallest) < 0 {
        unsafe smallest = file.smallest.userKey
      }
      if KeyOrder.compare(file.largest.userKey, largest) > 0 {
        unsafe largest = file.largest.userKey
      }
    }
    lower = unsafe Array(smallest)
    upper = unsafe Array(largest)
  }

  @safe
  func withBounds<Result>(
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Result
  ) -> Result {
    lower.withBytes { lower in upper.withBytes { unsafe body(lower, $0) }
    }
  }
}
