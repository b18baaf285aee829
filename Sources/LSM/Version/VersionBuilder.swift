/// Makes the version after an edit, and checks it, in release builds too: a version that breaks the order
/// of its levels would answer wrongly, so it is never installed.
package enum VersionBuilder {
  /// The version that an edit makes of `base`.
  ///
  /// - Parameters:
  ///   - removed: tables of `base`, by level.
  ///   - added: open tables, by level.
  /// - Throws: ``LSMError/brokenInvariant(_:)``.
  package static func version(
    after base: Version, removing removed: [VersionEdit.Removal],
    adding added: [(level: Int, file: TableFile)]
  ) throws(LSMError) -> Version {
    var level0 = base.level0
    var runs = base.runs
    for level in 0..<Version.levelCount {
      let gone = Set(removed.filter { $0.level == level }.map(\.number))
      let new = added.filter { $0.level == level }.map(\.file)
      if gone.isEmpty && new.isEmpty { continue }
      let before = base.files(at: level)
      let kept = before.filter { !gone.contains($0.metadata.number) }
      guard before.count - kept.count == gone.count else {
        throw .brokenInvariant("a table to remove is not in level \(level)")
      }
      let files = kept + new
      if level == 0 {
        level0 = try newestFirst(files)
      } else {
        runs[level] = SortedRun(try sorted(files, level))
      }
    }
    return Version(level0: level0, runs: runs)
  }

  private static func newestFirst(_ files: [TableFile]) throws(LSMError) -> [TableFile] {
    let sorted = files.sorted { $0.metadata.epoch > $1.metadata.epoch }
    for (newer, older) in zip(sorted, sorted.dropFirst()) {
      guard newer.metadata.epoch > older.metadata.epoch,
        newer.metadata.smallestSequence > older.metadata.largestSequence
      else {
        throw .brokenInvariant(
          "tables \(newer.metadata.number) and \(older.metadata.number) of level 0 overlap in time")
      }
    }
    return sorted
  }

  private static func sorted(_ files: [TableFile], _ level: Int) throws(LSMError) -> [TableFile] {
    let sorted = files.sorted { $0.smallest < $1.smallest }
    for (left, right) in zip(sorted, sorted.dropFirst()) {
      let order = KeyOrder.compare(left.largest.userKey, right.smallest.userKey)
      guard order < 0 || (order == 0 && left.excludesLargest) else {
        throw .brokenInvariant(
          "tables \(left.metadata.number) and \(right.metadata.number) of level \(level) overlap")
      }
    }
    return sorted
  }
}
