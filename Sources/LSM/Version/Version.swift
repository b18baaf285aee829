/// The tables the store consists of at one moment.
///
/// Level 0 holds what flushes wrote, newest first, with overlaps; every level below is one sorted run.
/// The newest state of a key is found by asking level 0 from the front, then one table of each level
/// downwards: an upper place always holds the newer change.
///
/// Thread-safety: immutable.
// SAFETY: The bounds are borrowed for the call.
package final class Version: Sendable {
  /// Levels, the one for flushes counted.
  package static let levelCount = 7
  /// The lowest level.
  package static let lastLevel = levelCount - 1

  /// Newest first: by epoch, descending.
  let level0: [TableFile]
  /// Levels 1 to 6; index 0 is an empty run in the place of level 0.
  let runs: [SortedRun]
  /// Whether any table has range tombstones.
  let hasRangeTombstones: Bool

  init(level0: [TableFile], runs: [SortedRun]) {
    precondition(runs.count == Self.levelCount)
    self.level0 = level0
    self.runs = runs
    hasRangeTombstones =
      level0.contains { $0.metadata.rangeTombstoneCount > 0 }
      || runs.contains { $0.files.contains { $0.metadata.rangeTombstoneCount > 0 } }
  }

  /// A version without tables.
  package static let empty = Version(
    level0: [], runs: [SortedRun](repeating: .empty, count: levelCount))

  /// The tables of a level, in its order.
  package func files(at level: Int) -> [TableFile] { level == 0 ? level0 : runs[level].files }

  func bytes(at level: Int) -> UInt64 {
    level == 0
      ? level0.reduce(0) { $0 + $1.metadata.fileBytes } : runs[level].totalBytes
  }

  /// Every table, level by level.
  var allFiles: [TableFile] { level0 + runs.flatMap(\.files) }

  /// The tables of a level that overlap a user key range with inclusive ends; `upper` nil: no end.
  @safe
  func overlapping(
    _ lower: UnsafeRawBufferPointer, through upper: UnsafeRawBufferPointer?, at level: Int
  ) -> [TableFile] {
    if level == 0 {
      return level0.filter { file in
        unsafe file.isNotBefore(lower)
          && (upper.map { KeyOrder.compare(file.smallest.userKey, $0) <= 0 } ?? true)
      }
    }
    return Array(runs[level].files[runs[level].indices(from: lower, through: upper)])
  }

  /// Whether a level below `level` may hold any version of `userKey`.
  @safe
  func mayHold(_ userKey: UnsafeRawBufferPointer, below level: Int) -> Bool {
    guard level < Self.lastLevel else { return false }
    return ((level + 1)...Self.lastLevel).contains { runs[$0].mayHold(userKey) }
  }

  /// Whether a level below `level` may hold any key from `lower` up to `upper`.
  @safe
  func mayHold(
    from lower: UnsafeRawBufferPointer, upTo upper: UnsafeRawBufferPointer, below level: Int
  ) -> Bool {
    guard level < Self.lastLevel else { return false }
    for deeper in (level + 1)...Self.lastLevel {
      for index in runs[deeper].indices(from: lower, through: upper)
      where KeyOrder.compare(runs[deeper].files[index].smallest.userKey, upper) < 0 {
        return true
      }
    }
    return false
  }
}
