package import Engine
package import LSM
import Synchronization

/// ``StorageEngine`` on our own log-structured merge tree.
///
/// Thread-safety: constant after init; the tree has its own synchronisation. The gate keeps calls out of a
/// tree that is being closed.
// SAFETY: The batch is not changed while the tree copies its records, and begins with a header of 12 bytes. What is
// visited is lent until `visit` returns.
package final class LSMEngine: LocalStore {
  let directory: String
  private let tree: LSMTree
  private let isReadOnly: Bool
  /// Whether the last write was refused for a trouble that passes.
  private let isRefusing = Atomic<Bool>(false)
  private let gate = OperationGate()
  /// Whether a write was told why the tree takes no more of them.
  private let hasToldFailure = Atomic<Bool>(false)

  /// The tree compacts tables with range tombstones by itself, at a bounded price; a manual compaction for each
  /// range delete has no bound.
  package var traits: EngineTraits { EngineTraits(compactsDeletedRanges: true) }

  /// Opens or creates the store. Blocks on disk I/O.
  package convenience init(directory: String, options: EngineOptions) throws(EngineError) {
    try self.init(
      directory: directory, tree: TreeOptions(options), fileSystem: POSIXFileSystem())
  }

  /// - Parameters:
  ///   - options: the tree's own, of which ``EngineOptions`` is the part that all engines share.
  ///   - fileSystem: where the store lives; in tests one that fails.
  package init(
    directory: String, tree options: TreeOptions, fileSystem: any FileSystem
  ) throws(EngineError) {
    self.directory = directory
    isReadOnly = options.isReadOnly
    do throws(LSMError) {
      tree = try LSMTree.open(fileSystem, directory: directory, options: options)
    } catch {
      throw EngineError(error, .open, in: directory)
    }
  }

  private func inside<Result>(
    _ operation: EngineOperation, _ body: (LSMTree) throws(LSMError) -> Result
  ) throws(EngineError) -> Result {
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    do throws(LSMError) {
      return try body(tree)
    } catch {
      throw EngineError(error, operation, in: directory)
    }
  }

  private func own(_ snapshot: (any EngineSnapshot)?) throws(EngineError) -> TreeSnapshot? {
    guard let snapshot else { return nil }
    guard let own = snapshot as? LSMSnapshot, own.snapshot.tree === tree else {
      throw .foreignSnapshot
    }
    return own.snapshot
  }

  // MARK: - Reading

  @safe
  package func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    let own = try own(snapshot)
    do throws(LSMError) {
      return switch try tree.get(key, snapshot: own, tier: Table.ReadTier(tier), visit) {
      case .found: .found
      case .absent: .absent
      case .wouldBlock: .wouldBlock
      }
    } catch {
      throw EngineError(error, .get, in: directory)
    }
  }

  @safe
  package func get(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (Int, UnsafeRawBufferPointer?) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    let own = try own(snapshot)
    do throws(LSMError) {
      let outcome = try tree.get(keys, snapshot: own, tier: Table.ReadTier(tier)) {
        unsafe visit($0, $1).isNext
      }
      return switch outcome {
      case .complete: .complete
      case .stopped: .stopped
      case .wouldBlock: .wouldBlock
      }
    } catch {
      throw EngineError(error, .get, in: directory)
    }
  }

  @safe
  package func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier,
    _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    precondition(limit >= 0, "the limit of a scan is not negative")
    let own = try own(snapshot)
    return try inside(.scan) { (tree) throws(LSMError) in
      if limit == 0 { return .limitReached }
      if range.isEmpty { return .complete }
      let outcome = try range.withBounds { (lower, upper) throws(LSMError) in
        try tree.scan(
          from: lower, upTo: upper, descending: direction.isDescending, limit: limit,
          snapshot: own, tier: Table.ReadTier(tier)
        ) { key, value in unsafe visit(key, value).isNext }
      }
      return switch outcome {
      case .complete: .complete
      case .stopped: .stopped
      case .limitReached: .limitReached
      case .wouldBlock: .wouldBlock
      }
    }
  }

  package func snapshot() throws(EngineError) -> any EngineSnapshot {
    try inside(.snapshot) { LSMSnapshot($0.snapshot()) }
  }

  // MARK: - Writing

  package func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    if batch.isEmpty { return }
    // The tree's batches are the image without its sequence number, which the log keeps elsewhere.
    let records = unsafe UnsafeRawBufferPointer(rebasing: batch.image[WriteBatch.countOffset...])
    do throws(LSMError) {
      try tree.apply(records, sync: durability.isSync)
      if isRefusing.load(ordering: .relaxed) { isRefusing.store(false, ordering: .relaxed) }
    } catch .refused(let cause) {
      isRefusing.store(true, ordering: .relaxed)
      throw .writesPaused(reason: "\(cause)", isDiskFull: cause.isDiskFull)
    } catch .poisoned(let cause) where !hasToldFailure.exchange(true, ordering: .relaxed) {
      // A flush or a compaction failed in the background: the first write that meets it says what it was.
      throw EngineError(cause, .apply, in: directory)
    } catch {
      if tree.failure != nil { hasToldFailure.store(true, ordering: .relaxed) }
      throw EngineError(error, .apply, in: directory)
    }
  }

  // MARK: - Maintenance

  package func checkpoint(to target: String) throws(EngineError) {
    guard !target.utf8.contains(0) else {
      throw .invalidPath(path: target, reason: "it holds a NUL byte")
    }
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    do throws(LSMError) {
      try tree.checkpoint(to: target)
    } catch .alreadyExists {
      throw .invalidPath(
        path: target,
        reason: tree.isUnfinishedCheckpoint(target)
          ? "it was begun by a checkpoint that was cut short; remove it, then try again"
          : "it exists already; name a new directory")
    } catch {
      throw EngineError(error, .checkpoint, in: target)
    }
  }

  package func flush() throws(EngineError) {
    try inside(.flush) { (tree) throws(LSMError) in try tree.flush() }
  }

  package func compact(_ range: KeyRange?) throws(EngineError) {
    try inside(.compact) { (tree) throws(LSMError) in
      try (range ?? .all).withBounds { (lower, upper) throws(LSMError) in
        try tree.compact(from: lower, upTo: upper)
      }
    }
  }

  package func lastSequence() throws(EngineError) -> UInt64 {
    try inside(.statistics) { (tree) throws(LSMError) in tree.lastSequence }
  }

  package func writeState() -> WriteState {
    if isReadOnly { return .refused(reason: "it was opened for reading only") }
    guard gate.enter() else { return .refused(reason: "the engine is closed") }
    defer { gate.leave() }
    guard let trouble = tree.trouble else {
      isRefusing.store(false, ordering: .relaxed)
      return .open
    }
    if trouble.isFinal { return .refused(reason: "\(trouble.cause)") }
    // What refused the last write may be over, while something else still fails.
    if trouble.work != .log, tree.hasRoom { isRefusing.store(false, ordering: .relaxed) }
    // Nobody may be writing who would find out that there is room again. The next look sees what comes of it.
    defer { tree.retryLog() }
    return isRefusing.load(ordering: .relaxed) || trouble.work == .log
      ? .paused(reason: "\(trouble.cause)") : .strained(reason: "\(trouble)")
  }

  package func refuseWrites(_ reason: String) {
    guard gate.enter() else { return }
    defer { gate.leave() }
    // Nothing of a write is in doubt: none is told more than that it was not stored.
    hasToldFailure.store(true, ordering: .relaxed)
    tree.refuseWrites(reason)
  }

  package func statistics() throws(EngineError) -> EngineStatistics {
    try inside(.statistics) { (tree) throws(LSMError) in
      EngineStatistics(try tree.statistics())
    }
  }

  package func close() throws(EngineError) {
    guard gate.shut() else { return }
    // A running compaction would hold the close for as long as it takes.
    tree.cancelCompactions()
    gate.waitUntilEmpty()
    do throws(LSMError) {
      try tree.close()
    } catch {
      throw EngineError(error, .close, in: directory)
    }
    // A job in the background that failed while nobody asked any more: the close is not the good end it looks like.
    if let failure = tree.failure, !hasToldFailure.load(ordering: .relaxed) {
      throw .readOnly(reason: "\(failure)")
    }
  }
}

private final class LSMSnapshot: EngineSnapshot {
  let snapshot: TreeSnapshot

  init(_ snapshot: TreeSnapshot) { self.snapshot = snapshot }
}
