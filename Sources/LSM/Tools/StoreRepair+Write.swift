// SAFETY: The joined tombstone borrows from the same sources as the two it is made of.
extension StoreRepair {
  /// Numbers left out when nobody knows which were given out: bytes of a removed file must never pass as those of a
  /// new one.
  private static let numberGap: UInt64 = 1000
  private static let cacheBytes = 8 << 20

  /// What a repair has written so far.
  private struct Work {
    let tables: TableStore
    var nextFileNumber: UInt64
    var nextEpoch: UInt64
    var added: [(level: Int, file: TableFile)] = []
    /// Files that the repaired store does not need.
    var replaced: [FileName] = []

    mutating func takeNumber() -> FileNumber {
      defer { nextFileNumber += 1 }
      return FileNumber(nextFileNumber)
    }
  }

  /// Writes the repaired store. `CURRENT` comes last.
  mutating func carryOut() throws(LSMError) {
    var work = Work(
      tables: TableStore(
        fileSystem: fileSystem, directory: directory, store: store, options: options.tree.table,
        cache: BlockCache(capacityBytes: Self.cacheBytes), obsolete: ObsoleteFiles()),
      // Without a manifest: as far as its numbers could go.
      nextFileNumber: files.highestNumber(before: min(limit, FileNumber(1 << 62))) + 1,
      nextEpoch: state?.nextEpoch ?? 1)
    if let state {
      work.nextFileNumber = max(work.nextFileNumber, state.nextFileNumber.rawValue)
    } else {
      work.nextFileNumber += Self.numberGap
    }
    let firstNumber = FileNumber(work.nextFileNumber)
    let version: Version
    do throws(LSMError) {
      for source in sources { try take(source, &work) }
      try replayLogs(&work)
      if mergesAll { try mergeAll(&work) }
      version = try VersionBuilder.version(after: .empty, removing: [], adding: work.added)
    } catch {
      removeTables(from: firstNumber)
      throw error
    }
    report.tableCount = version.allFiles.count
    report.entryCount = version.allFiles.reduce(0) { $0 + $1.metadata.entryCount }
    try install(version, &work)
  }

  /// Gives the space of a failed repair back, as far as that goes; nothing names its tables.
  private func removeTables(from first: FileNumber) {
    do throws(LSMError) {
      for number in try StoreFiles(fileSystem, directory: directory).tables where number >= first {
        try fileSystem.remove(FileName.table(number).path(in: directory))
      }
    } catch {
      // The error that ended the repair is the one to report.
    }
  }

  // MARK: - Tables

  private mutating func take(_ source: Source, _ work: inout Work) throws(LSMError) {
    if mergesAll || source.condition != .whole { work.replaced.append(.table(source.number)) }
    switch source.condition {
    case .lost: break
    case .whole:
      guard let metadata = source.metadata,
        metadata.entryCount > 0 || metadata.rangeTombstoneCount > 0
      else { break }
      work.added.append((source.level, try work.tables.open(metadata)))
      if !mergesAll { report.keptTableCount += 1 }
    case .damaged:
      if let file = try rewrite(source, &work) {
        work.added.append((source.level, file))
        report.rewrittenTableCount += 1
      }
    }
  }

  /// Writes what can be read of a table as a new one, with the same place in the order of changes.
  private func rewrite(_ source: Source, _ work: inout Work) throws(LSMError) -> TableFile? {
    let parts = try open(source.number, source.metadata)
    let output = try work.tables.begin(work.takeNumber())
    do throws(LSMError) {
      var check = TableCheck(parts, source.metadata)
      let progress = progress
      var read: UInt64 = 0
      try check.run { bytes in
        read += bytes
        progress(
          ToolProgress(
            what: "writing \(parts.name) anew", doneBytes: read, totalBytes: parts.fileBytes))
      } _: { (key, value) throws(LSMError) in
        try output.add(key, value: value)
      }
      for tombstone in parts.tombstones { try output.add(tombstone) }
      guard !output.isEmpty else {
        output.abandon()
        return nil
      }
      output.reclaimableCount = min(source.metadata?.reclaimableCount ?? 0, check.seen.entryCount)
      return try output.finish(epoch: source.metadata?.epoch ?? 0)
    } catch {
      output.abandon()
      throw error
    }
  }

  // MARK: - Logs

  private mutating func replayLogs(_ work: inout Work) throws(LSMError) {
    work.replaced += files.logs.filter { $0 < limit }.map { .log($0) }
    guard let chain else { return }
    // With a manifest it is known what is in tables already.
    let flushed = state?.flushedSequence.rawValue ?? 0
    var memtable: Memtable?
    var changes: UInt64 = 0
    let tree = options.tree
    var written = work
    try chain.replay(selection, fileSystem, directory: directory, store: store) {
      (_, record, summary) throws(LSMError) in
      guard record.sequence > flushed else { return }
      if let full = memtable,
        full.isFull(tree) || !full.hasRoom(recordCount: summary.count, bytes: summary.bytes)
      {
        try Self.flush(full, &written)
        memtable = nil
      }
      let target =
        memtable
        ?? Memtable(
          capacityBytes: min(
            tree.limits.capacity(forMemtableOf: tree.memtableSizeBytes, andFirst: summary),
            Memtable.maximumCapacityBytes))
      guard target.hasRoom(recordCount: summary.count, bytes: summary.bytes) else {
        throw .tooLarge(bytes: summary.bytes, limit: Memtable.maximumCapacityBytes)
      }
      try target.insert(record.bytes, first: record.sequence - UInt64(summary.count) + 1)
      memtable = target
      changes += UInt64(summary.count)
    }
    if let memtable { try Self.flush(memtable, &written) }
    work = written
    report.replayedChangeCount = changes
  }

  /// Writes a memtable as a table of level 0, its name durable before that of a later one: when the repair is cut
  /// short, the tables that are there hold all changes up to some point.
  private static func flush(_ memtable: Memtable, _ work: inout Work) throws(LSMError) {
    if memtable.isEmpty { return }
    var next = work.nextFileNumber
    let outputs = try MergeRun.flush(
      memtable, "repair of a log", stripes: SnapshotStripes([]), epoch: work.nextEpoch, work.tables,
      makeNumber: {
        defer { next += 1 }
        return FileNumber(next)
      }, pause: {}
    ).files
    work.nextFileNumber = next
    work.nextEpoch += 1
    work.added += outputs.map { (0, $0) }
    try work.tables.fileSystem.syncDirectory(work.tables.directory)
  }

  // MARK: - Merging

  /// Merges all tables into one sorted run in the last level.
  private mutating func mergeAll(_ work: inout Work) throws(LSMError) {
    let inputs = work.added.map(\.file)
    report.mergedTableCount = inputs.count
    let runs = Self.runs(inputs)
    let expected = inputs.reduce(0) { $0 + $1.metadata.entryCount }
    let totalBytes = inputs.reduce(0) { $0 + $1.metadata.fileBytes }
    let progress = progress
    var next = work.nextFileNumber
    var slices: UInt64 = 0
    // Nothing tells that a tombstone has nothing left to delete: none is dropped.
    var merge = MergeRun(
      runs.map { MergeSource($0, .anyWithoutFilling) },
      tombstones: [Self.joined(inputs.flatMap(\.table.rangeTombstones))],
      MergeRun.Settings(
        stripes: SnapshotStripes([]), targetBytes: options.tree.tableBytes, epoch: work.nextEpoch),
      work.tables,
      makeNumber: {
        defer { next += 1 }
        return FileNumber(next)
      },
      pause: {
        slices += 1
        let share = min(1, Double(slices * MergeRun.sliceEntries) / Double(max(expected, 1)))
        progress(
          ToolProgress(
            what: "merging", doneBytes: UInt64(Double(totalBytes) * share), totalBytes: totalBytes))
      })
    let outputs = try merge.run()
    try merge.counts.check(expected: expected, "repair")
    work.nextFileNumber = next
    work.nextEpoch += 1
    // Tables that this repair has written itself, and that are merged now.
    work.replaced += inputs.map { .table($0.metadata.number) }.filter {
      !work.replaced.contains($0)
    }
    work.added = outputs.map { (Version.lastLevel, $0) }
  }

  /// Puts tables that do not overlap into rows, so that the merge compares few keys.
  private static func runs(_ files: [TableFile]) -> [[TableFile]] {
    var runs: [[TableFile]] = []
    for file in files.sorted(by: { $0.smallest < $1.smallest }) {
      let place = runs.firstIndex { run in
        guard let last = run.last else { return true }
        return KeyOrder.compare(last.largest.userKey, file.smallest.userKey) < 0
      }
      if let place { runs[place].append(file) } else { runs.append([file]) }
    }
    return runs
  }

  /// Every range tombstone once: pieces of the same one, cut at the borders of tables, are put together, since a
  /// table and what a compaction made of it may both be there.
  private static func joined(_ pieces: [RangeTombstone]) -> RangeTombstoneIndex {
    let sorted = pieces.sorted { left, right in
      left.sequence == right.sequence
        ? KeyOrder.compare(left.lower, right.lower) < 0 : left.sequence < right.sequence
    }
    var joined: [RangeTombstone] = []
    for piece in sorted {
      guard let last = joined.last, last.sequence == piece.sequence,
        KeyOrder.compare(piece.lower, last.upper) <= 0
      else {
        joined.append(piece)
        continue
      }
      if KeyOrder.compare(piece.upper, last.upper) > 0 {
        joined[joined.count - 1] = unsafe RangeTombstone(
          lower: last.lower, upper: piece.upper, sequence: last.sequence)
      }
    }
    return RangeTombstoneIndex(joined)
  }

  // MARK: - Installing

  private mutating func install(_ version: Version, _ work: inout Work) throws(LSMError) {
    work.replaced += files.manifests.filter { $0 < limit }.map { .manifest($0) }
    if files.hasCurrent { work.replaced.insert(.current, at: 0) }
    try keep(work.replaced)
    // An empty log for the next start to find: it asks for no other one then. It follows on the last one that is
    // there, so that this one is whole as well while `CURRENT` still names the old manifest.
    // Not after one whose changes are lost in part: their sequence numbers are given out again.
    let logNumber = work.takeNumber()
    let last = chain?.logs.last { !$0.isIdle }?.end
    let lastSequence = report.lastSequence
    let log = try LogWriter(
      fileSystem, directory: directory, name: .log(logNumber), store: store,
      after: last.flatMap { $0.lastSequence <= lastSequence && $0.number < logNumber ? $0 : nil },
      preallocates: false)
    _ = try log.finish()
    let number = work.takeNumber()
    let temporary = work.takeNumber()
    var edit = VersionEdit(
      kind: .state, nextFileNumber: FileNumber(work.nextFileNumber), nextEpoch: work.nextEpoch,
      flushedSequence: SequenceNumber(rawValue: report.lastSequence), logNumber: logNumber)
    for level in 0..<Version.levelCount {
      edit.added += version.files(at: level).map { .init(level: level, table: $0.metadata) }
    }
    try fileSystem.syncDirectory(directory)
    let manifest = try Manifest(
      fileSystem, directory: directory, store: store, number: number, temporary: temporary,
      state: edit)
    try manifest.finish()
    removeReplaced(work.replaced)
  }

  /// Gives everything that is replaced a second, durable name in a folder of its own, and writes the report there.
  private mutating func keep(_ names: [FileName]) throws(LSMError) {
    let there = try Set(fileSystem.list(directory))
    let kept = names.map(\.description).filter { there.contains($0) }
    var index = 1
    while there.contains("\(RepairReport.folderPrefix)\(index)") { index += 1 }
    let folder = "\(RepairReport.folderPrefix)\(index)"
    let path = directory + "/" + folder
    try fileSystem.createDirectory(path)
    try fileSystem.syncDirectory(directory)
    for name in kept { try fileSystem.linkOrCopy(directory + "/" + name, to: path + "/" + name) }
    try RepairReport(folder: folder, lines: report.lines).write(fileSystem, directory)
    try fileSystem.syncDirectory(path)
    report.folder = folder
    report.movedFiles = kept
  }

  private mutating func removeReplaced(_ names: [FileName]) {
    for name in names where name != .current {
      // What stays has two names, and the next start removes this one.
      do throws(LSMError) { try fileSystem.remove(name.path(in: directory)) } catch {}
    }
    do throws(LSMError) { try fileSystem.syncDirectory(directory) } catch {}
  }
}
