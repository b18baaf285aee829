import Glibc
import Synchronization

extension LSMTree {
  private enum Job {
    case flush(ImmutableMemtable)
    case compaction(Compaction)
    case removeFiles
  }

  /// What a background thread does next.
  private enum Next {
    case job(Job)
    case end
  }

  // MARK: - Choosing

  /// Takes the next job and notes that it runs; nil when there is none.
  private func takeJob(_ state: inout State) -> Job? {
    if state.failure != nil || state.isClosing { return nil }
    if let flush = takeFlush(&state) { return .flush(flush) }
    if state.waitingManuals == 0, isDue(state.compactionSetback) {
      var isLookedAt = false
      while !isLookedAt {
        let picker = picker(state)
        if let compaction = picker.pick() {
          begin(compaction, &state)
          return .compaction(compaction)
        }
        isLookedAt = snapshots.note(
          isAwaited: picker.waitsForSnapshot, oldest: picker.oldestSnapshot)
      }
      if state.compactionSetback != nil, state.runningCompactions == 0 {
        // What failed is not due any more.
        state.compactionSetback = nil
        noteTrouble(&state)
      }
    }
    return tables.obsolete.isEmpty ? nil : .removeFiles
  }

  private func takeFlush(_ state: inout State) -> ImmutableMemtable? {
    // One at a time, oldest first: level 0 is ordered by time.
    guard !state.isFlushing, let oldest = state.immutables.first, isDue(state.flushSetback) else {
      return nil
    }
    state.isFlushing = true
    return oldest
  }

  func picker(_ state: State) -> CompactionPicker {
    CompactionPicker(
      version: state.version, options: options, oldestSnapshot: snapshots.oldest)
  }

  /// Whether a job is running or due: what a stalled writer waits for.
  func isWorking(_ state: State) -> Bool {
    state.isFlushing || state.runningCompactions > 0 || state.waitingManuals > 0
      || !state.immutables.isEmpty
      || picker(state).isBehind
  }

  func begin(_ compaction: Compaction, _ state: inout State) {
    for file in compaction.inputs { file.isCompacting = true }
    state.runningCompactions += 1
  }

  private func end(_ compaction: Compaction) {
    state.withLock { state in
      for file in compaction.inputs { file.isCompacting = false }
      state.runningCompactions -= 1
    }
    state.wakeAll()
  }

  // MARK: - Running

  /// Starts the background threads.
  func startBackgroundWork() {
    background.start(count: options.backgroundThreads) { [unowned self] in work() }
  }

  private func work() {
    while true {
      let next = state.wait { state -> Next? in
        if let job = takeJob(&state) { return .job(job) }
        return state.isClosing ? .end : nil
      } orAt: { state in
        nextRetry(state)
      }
      guard case .job(let job) = next else { return }
      run(job)
      giveBack()
    }
  }

  /// Does all the work there is, on the calling thread, until some of it fails.
  func runPendingWork() {
    while let job = state.withLock({ takeJob(&$0) }) {
      let isDone = run(job)
      _ = readState.reclaim()
      if !isDone { return }
    }
  }

  /// - Returns: whether the job is done; else its failure is noted.
  @discardableResult
  private func run(_ job: Job) -> Bool {
    do throws(LSMError) {
      switch job {
      case .flush(let memtable):
        do throws(LSMError) {
          try mendManifest()
        } catch {
          state.withLock { $0.isFlushing = false }
          throw error
        }
        try flush(memtable)
        note(nil, of: .flush)
      case .compaction(let compaction):
        do throws(LSMError) {
          try mendManifest()
        } catch {
          end(compaction)
          throw error
        }
        try run(compaction)
        note(nil, of: .compaction)
      case .removeFiles: removeObsoleteFiles()
      }
      return true
    } catch {
      fail(job, error)
      return false
    }
  }

  private func fail(_ job: Job, _ error: LSMError) {
    let isClosing = state.withLock { state in
      if !state.isClosing { state.totals.backgroundErrors += 1 }
      return state.isClosing
    }
    // What was half done when the tree was closed is left to the next open.
    if isClosing, case .closed = error { return }
    guard error.isPassing else { return poison(error) }
    // Nothing is lost and nothing in doubt: the memtable and its log are there, or the inputs.
    // The next try must not take more of the disk than this one.
    removeObsoleteFiles()
    guard case .flush = job else { return note(error, of: .compaction) }
    note(error, of: .flush)
    // After the cause is there for whoever waits for this flush.
    state.withLock { $0.flushFailureCount += 1 }
    state.wakeAll()
  }

  /// Releases what the last change replaced, once no reader has it any more; readers hold it briefly.
  private func giveBack() {
    for _ in 0..<1000 {
      if readState.reclaim() { return }
      usleep(100)
    }
  }

  /// Called by a running merge every few thousand entries: a flush never waits for the end of a compaction.
  private func pause() throws(LSMError) {
    let (isClosing, waiting) = state.withLock { state in
      (state.isClosing, state.failure == nil ? takeFlush(&state) : nil)
    }
    if isClosing { throw .closed(path: directory) }
    if let waiting { run(.flush(waiting)) }
  }

  // MARK: - Flush

  /// - Throws: before anything was changed, ``LSMError/isPassing``; else an error that poisons.
  private func flush(_ immutable: ImmutableMemtable) throws(LSMError) {
    defer {
      state.withLock { $0.isFlushing = false }
      state.wakeAll()
    }
    let epoch = state.withLock { state in
      defer { state.nextEpoch += 1 }
      return state.nextEpoch
    }
    let (outputs, counts) = try MergeRun.flush(
      immutable.memtable, "flush", stripes: snapshots.stripes, epoch: epoch, tables,
      makeNumber: { self.state.withLock { $0.takeFileNumber() } },
      pause: { () throws(LSMError) in
        if self.state.withLock({ $0.isClosing }) { throw .closed(path: self.directory) }
      })
    try install(
      removing: [], adding: outputs.map { (0, $0) }, new: outputs, flushed: immutable
    ) { totals in
      totals.flushCount += 1
      totals.flushedBytes += outputs.reduce(0) { $0 + $1.metadata.fileBytes }
      totals.merged += counts
    }
    removeObsoleteFiles()
  }

  // MARK: - Compaction

  /// Runs a compaction that ``begin(_:_:)`` was called for.
  func run(_ compaction: Compaction) throws(LSMError) {
    defer { end(compaction) }
    if compaction.isMove {
      try install(
        removing: compaction.upper.map {
          .init(level: compaction.level, number: $0.metadata.number)
        },
        adding: compaction.upper.map { (compaction.outputLevel, $0) }, new: [], flushed: nil
      ) { $0.moveCount += 1 }
      return
    }
    let stripes = snapshots.stripes
    let covered = compaction.coveredTables(stripes)
    let (outputs, counts) = try merge(compaction, stripes, without: covered)
    let removed =
      compaction.upper.map {
        VersionEdit.Removal(level: compaction.level, number: $0.metadata.number)
      }
      + compaction.lower.map {
        VersionEdit.Removal(level: compaction.outputLevel, number: $0.metadata.number)
      }
    try install(
      removing: removed, adding: outputs.map { (compaction.outputLevel, $0) }, new: outputs,
      flushed: nil
    ) { totals in
      totals.compactionCount += 1
      totals.compactedBytesRead += compaction.inputBytes
      totals.compactedBytesWritten += outputs.reduce(0) { $0 + $1.metadata.fileBytes }
      totals.merged += counts
    }
    for file in compaction.inputs { file.markRemoved() }
  }

  private func merge(
    _ compaction: Compaction, _ stripes: SnapshotStripes, without covered: [TableFile]
  ) throws(LSMError) -> ([TableFile], MergeCounts) {
    let lower = compaction.lower.filter { file in !covered.contains { $0 === file } }
    var sources: [MergeSource] = []
    if compaction.level == 0 {
      sources = compaction.upper.map { MergeSource($0, .anyWithoutFilling) }
    } else {
      sources = [MergeSource(compaction.upper, .anyWithoutFilling)]
    }
    if !lower.isEmpty { sources.append(MergeSource(lower, .anyWithoutFilling)) }
    let settings = MergeRun.Settings(
      stripes: stripes,
      bottom: compaction.outputLevel > 0 ? (compaction.version, compaction.outputLevel) : nil,
      // A table of level 0 is one: several would need an order in time among them.
      targetBytes: compaction.outputLevel > 0 ? options.tableBytes : .max,
      grandparents: compaction.grandparents, epoch: compaction.outputEpoch)
    var merge = MergeRun(
      sources, tombstones: (compaction.upper + lower).compactMap(\.table.rangeTombstoneIndex),
      settings, tables, makeNumber: { self.state.withLock { $0.takeFileNumber() } },
      pause: { () throws(LSMError) in try self.pause() })
    let outputs = try merge.run()
    var counts = merge.counts
    counts.skipped = covered.reduce(0) { $0 + $1.metadata.entryCount }
    try counts.check(
      expected: compaction.inputs.reduce(0) { $0 + $1.metadata.entryCount },
      "compaction of level \(compaction.level)")
    return (outputs, counts)
  }

  // MARK: - Installing

  /// Makes a change of the store's tables durable, then has readers see it.
  ///
  /// On an error the store is as before; an edit that may be durable all the same is undone by the next manifest,
  /// which the next call begins with.
  ///
  /// - Parameters:
  ///   - added: durable tables; or tables that only change their level.
  ///   - new: those of them that no version has yet; given up on an error.
  ///   - flushed: the memtable that became a table.
  ///   - count: adds to the totals.
  private func install(
    removing removed: [VersionEdit.Removal], adding added: [(level: Int, file: TableFile)],
    new: [TableFile], flushed: ImmutableMemtable?, _ count: (inout TreeTotals) -> Void
  ) throws(LSMError) {
    func giveUp(_ error: LSMError) -> LSMError {
      for file in new { file.markRemoved() }
      return error
    }
    if !new.isEmpty {
      // The names before the edit that needs them.
      do throws(LSMError) {
        try fileSystem.syncDirectory(directory)
      } catch {
        throw giveUp(error)
      }
    }
    try installs.pass { () throws(LSMError) in
      do throws(LSMError) {
        try requireWritable()
        if let manifest, manifest.isInDoubt { try rollManifest(manifest) }
      } catch {
        throw giveUp(error)
      }
      guard let manifest else { throw .closed(path: directory) }
      let (base, edit) = state.withLock { state -> (Version, VersionEdit) in
        var edit = state.edit
        edit.kind = .change
        edit.removed = removed
        edit.added = added.map { .init(level: $0.level, table: $0.file.metadata) }
        if let flushed {
          edit.flushedSequence = flushed.lastSequence
          edit.logNumber =
            state.immutables.count > 1 ? state.immutables[1].log : state.memtableLog
        }
        return (state.version, edit)
      }
      let version = try VersionBuilder.version(after: base, removing: removed, adding: added)
      do throws(LSMError) {
        try manifest.append(edit)
      } catch {
        // The next open may need them, or what they were made of.
        doubtfulTables += new
        throw error
      }
      state.withLock { state in
        state.version = version
        snapshots.noteNewTables()
        if let flushed {
          state.flushedSequence = edit.flushedSequence
          state.logNumber = edit.logNumber
          state.immutables.removeFirst()
          tables.obsolete.add(.log(flushed.log))
        }
        count(&state.totals)
        publish(&state)
      }
      stalls.update(version, options)
      state.wakeAll()
      if manifest.isLong {
        // The edit counts; a manifest that cannot be made now is made before the next one.
        do throws(LSMError) { try rollManifest(manifest) } catch {}
      }
    }
  }

  /// Puts a new manifest in place of one that is in doubt, before work is done that needs one.
  private func mendManifest() throws(LSMError) {
    try installs.pass { () throws(LSMError) in
      if let manifest, manifest.isInDoubt, !isPoisoned.load(ordering: .acquiring) {
        try rollManifest(manifest)
      }
    }
  }

  private func rollManifest(_ manifest: Manifest) throws(LSMError) {
    let (number, temporary, edit) = state.withLock { state in
      (state.takeFileNumber(), state.takeFileNumber(), state.edit)
    }
    try manifest.roll(to: number, temporary: temporary, state: edit)
    for file in doubtfulTables { file.markRemoved() }
    doubtfulTables = []
  }

  /// Removes files that nobody needs any more; after a failure none, since the next open may need them.
  func removeObsoleteFiles() {
    if isPoisoned.load(ordering: .acquiring) { return }
    for name in tables.obsolete.takeAll() {
      // What cannot be removed takes space until the next open, which tries again.
      do throws(LSMError) { try fileSystem.remove(name.path(in: directory)) } catch {}
    }
  }
}
