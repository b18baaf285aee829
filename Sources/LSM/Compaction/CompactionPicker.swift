/// Chooses what to compact next. A pure function of a version and what is running.
///
/// In this order:
///
/// 1. Level 0 into the base level, when enough tables have gathered there.
/// 2. While that runs, or cannot start: tables of level 0 into one, so that reads and writes do not suffer
///    (rocksdb#2027).
/// 3. The level that is furthest over its size: the table that has the least overlap below it for its size.
/// 4. Tables with many tombstones, with range tombstones, or with what a released snapshot held: pushed
///    down, or rewritten in place where nothing lies below.
///
/// Everything here runs under the tree's state lock: no I/O.
package struct CompactionPicker {
  let version: Version
  let options: TreeOptions
  /// The oldest change that some reader may still not see.
  let oldestSnapshot: SequenceNumber

  /// - Parameter oldestSnapshot: `.maximum` without a snapshot.
  package init(version: Version, options: TreeOptions, oldestSnapshot: SequenceNumber) {
    self.version = version
    self.options = options
    self.oldestSnapshot = oldestSnapshot
  }

  /// A table is rewritten when more than one in so many of its entries can go.
  private static let reclaimableShare: UInt64 = 20
  /// What a compaction for tombstones may read for each byte that it moves down or does away with.
  private static let worthwhileFactor: UInt64 = 10

  private var targets: LevelTargets {
    LevelTargets(
      version, baseLevelBytes: options.baseLevelBytes, multiplier: options.levelMultiplier)
  }

  /// The next compaction, or nil when all is well or the tables it would take are busy.
  package func pick() -> Compaction? {
    let targets = targets
    let isLevel0Due = version.level0.count >= options.level0CompactionCount
    if isLevel0Due {
      if let compaction = level0(into: targets.baseLevel, .levelZeroCount) { return compaction }
      if let compaction = level0Merge() { return compaction }
    }
    return oversizedLevel(targets) ?? tombstones(targets)
  }

  /// Whether there is anything to do, busy or not: a stalled writer has something to wait for.
  package var isBehind: Bool {
    if version.level0.count >= options.level0CompactionCount { return true }
    let targets = targets
    return (1..<Version.lastLevel).contains { targets.score(version, $0) >= 1 }
  }

  /// Estimate of the bytes that must be rewritten until every level has its size.
  package var pendingBytes: UInt64 {
    let targets = targets
    var pending: UInt64 = 0
    if version.level0.count >= options.level0CompactionCount {
      pending += version.bytes(at: 0) + version.bytes(at: targets.baseLevel)
    }
    for level in 1..<Version.lastLevel where version.bytes(at: level) > targets.bytes[level] {
      pending += (version.bytes(at: level) - targets.bytes[level]) * (options.levelMultiplier + 1)
    }
    return pending
  }

  // MARK: - Level 0

  /// All of level 0 into the base level; nil when some of it is busy.
  func wholeLevel0(_ reason: Compaction.Reason) -> Compaction? {
    level0(into: targets.baseLevel, reason)
  }

  private func level0(into base: Int, _ reason: Compaction.Reason) -> Compaction? {
    guard !version.level0.isEmpty else { return nil }
    return compaction(reason, from: 0, version.level0, into: base)
  }

  /// The newest tables of level 0 that are free, merged into one.
  private func level0Merge() -> Compaction? {
    var files: [TableFile] = []
    var bytes: UInt64 = 0
    var indexBytes: UInt64 = 0
    for file in version.level0 {
      // Neighbours in time only: a table in between would be older than one part and newer than another.
      if file.isCompacting { break }
      if files.count >= 2, bytes + file.metadata.fileBytes > options.level0MergeBytes { break }
      // Into one table, whose index must be possible.
      indexBytes += file.table.maximumIndexBytes
      if indexBytes > UInt64(TableFormat.maximumIndexBytes) { break }
      files.append(file)
      bytes += file.metadata.fileBytes
    }
    guard files.count >= options.level0CompactionCount else { return nil }
    return Compaction(
      reason: .levelZeroMerge, level: 0, outputLevel: 0, upper: files, lower: [], version: version)
  }

  // MARK: - Levels

  private func oversizedLevel(_ targets: LevelTargets) -> Compaction? {
    let due = (1..<Version.lastLevel)
      .map { (level: $0, score: targets.score(version, $0)) }
      .filter { $0.score >= 1 }
      .sorted { $0.score > $1.score }
    for (level, _) in due {
      var best: (compaction: Compaction, ratio: Double)?
      for file in version.runs[level].files where !file.isCompacting {
        guard let found = compaction(.levelSize, from: level, [file], into: level + 1) else {
          continue
        }
        let overlap = found.lower.reduce(0) { $0 + $1.metadata.fileBytes }
        let ratio = Double(overlap) / Double(max(file.metadata.fileBytes, 1))
        if best.map({ ratio < $0.ratio }) ?? true { best = (found, ratio) }
      }
      if let best { return best.compaction }
    }
    return nil
  }

  // MARK: - Tombstones and snapshots

  private func tombstones(_ targets: LevelTargets) -> Compaction? {
    if version.level0.contains(where: { isMarked($0) }),
      let compaction = level0(into: targets.baseLevel, .tombstones), isWorthwhile(compaction)
    {
      return compaction
    }
    for level in 1...Version.lastLevel {
      for file in version.runs[level].files where isMarked(file) && !file.isCompacting {
        if let found = settle(file, at: level), isWorthwhile(found) { return found }
      }
    }
    return nil
  }

  /// Whether a rewrite of the table would do away with more than its size says.
  private func isMarked(_ file: TableFile) -> Bool {
    let metadata = file.metadata
    if metadata.rangeTombstoneCount > 0 { return true }
    if metadata.tombstoneCount > 0, file.isDenseWithTombstones { return true }
    return isSeenByAll(metadata)
      && metadata.reclaimableCount > metadata.entryCount / Self.reclaimableShare
  }

  /// Whether a table would be rewritten if it were not for a snapshot.
  package var waitsForSnapshot: Bool {
    guard oldestSnapshot != .maximum else { return false }
    let files = version.level0 + version.runs.flatMap(\.files)
    return files.contains { file in
      let metadata = file.metadata
      if isSeenByAll(metadata) { return false }
      return metadata.rangeTombstoneCount > 0
        || metadata.tombstoneCount > 0 && file.isDenseWithTombstones
        || metadata.reclaimableCount > metadata.entryCount / Self.reclaimableShare
    }
  }

  private func isSeenByAll(_ metadata: TableMetadata) -> Bool {
    metadata.largestSequence <= oldestSnapshot
  }

  /// Whether a compaction for tombstones does away with enough for what it rewrites. One
  /// range tombstone must not have gigabytes rewritten; it goes down with its table when that is due.
  private func isWorthwhile(_ compaction: Compaction) -> Bool {
    let covered = compaction.coveredTables(SnapshotStripes([])).reduce(0) {
      $0 + $1.metadata.fileBytes
    }
    let lowerBytes = compaction.lower.reduce(0) { $0 + $1.metadata.fileBytes }
    let lowerEntries = compaction.lower.reduce(0) { $0 + $1.metadata.entryCount }
    let upperBytes = compaction.upper.reduce(0) { $0 + $1.metadata.fileBytes }
    let tombstones = compaction.upper.reduce(0) { $0 + $1.metadata.tombstoneCount }
    let deleted = lowerEntries == 0 ? 0 : tombstones * (lowerBytes / lowerEntries)
    return lowerBytes - covered <= Self.worthwhileFactor * (upperBytes + covered + deleted)
  }

  /// Brings a table one step nearer to the end of its tombstones: down, or, where nothing lies below, rewritten
  /// in place when it holds what every reader can do without.
  func settle(_ file: TableFile, at level: Int, isManual: Bool = false) -> Compaction? {
    guard let span = KeySpan(of: [file]) else { return nil }
    let hasMoreBelow =
      level < Version.lastLevel
      && span.withBounds { lower, upper in
        ((level + 1)...Version.lastLevel).contains {
          !version.overlapping(lower, through: upper, at: $0).isEmpty
        }
      }
    if hasMoreBelow {
      return compaction(isManual ? .manual : .tombstones, from: level, [file], into: level + 1)
    }
    let metadata = file.metadata
    // A rewrite drops only what every reader sees.
    guard isSeenByAll(metadata),
      metadata.tombstoneCount + metadata.rangeTombstoneCount + metadata.reclaimableCount > 0
    else { return nil }
    return compaction(isManual ? .manual : .reclaimable, from: level, [file], into: level)
  }

  // MARK: - Making one

  /// The compaction of `upper` with all that it overlaps in `outputLevel`; nil when some of it is busy.
  func compaction(
    _ reason: Compaction.Reason, from level: Int, _ upper: [TableFile], into outputLevel: Int
  ) -> Compaction? {
    guard !upper.contains(where: \.isCompacting), let span = KeySpan(of: upper) else { return nil }
    let lower =
      level == outputLevel
      ? []
      : span.withBounds { lower, upper in
        version.overlapping(lower, through: upper, at: outputLevel)
      }
    guard !lower.contains(where: \.isCompacting) else { return nil }
    return Compaction(
      reason: reason, level: level, outputLevel: outputLevel, upper: upper, lower: lower,
      version: version)
  }
}
