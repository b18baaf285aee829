import Engine
import LSM

extension TreeOptions {
  init(_ options: EngineOptions) {
    self.init()
    cacheSizeBytes = max(options.cacheSizeBytes, 0)
    memtableSizeBytes = max(options.memtableSizeBytes, 64 << 10)
    backgroundThreads = max(options.backgroundJobs, 2)
    rangeDeletesBeforeFlush = max(options.rangeDeletesBeforeFlush, 1)
    dropsDamagedLogTail = options.logRecovery == .pointInTime
    isReadOnly = options.isReadOnly
    createIfMissing = options.createIfMissing
    table = TableOptions(options.compression)
  }
}

extension TableOptions {
  init(_ compression: TableCompression) {
    self.init()
    if case .zstd = compression {
      self.compression = .zstd
      // What zstd needs to begin with, and what it gains, both ask for larger blocks.
      blockBytes = 8 << 10
    }
  }
}

extension Table.ReadTier {
  @inline(__always)
  init(_ tier: ReadTier) {
    switch tier {
    case .any: self = .any
    case .memory: self = .memory
    case .pageCache: self = .pageCache
    }
  }
}

// Patterns, since `==` on an enum of another module is a call (docs/decisions/0008-cross-module-optimization.md).

extension ScanDirection {
  @inline(__always)
  var isDescending: Bool { if case .descending = self { true } else { false } }
}

extension ScanStep {
  @inline(__always)
  var isNext: Bool { if case .next = self { true } else { false } }
}

extension Durability {
  @inline(__always)
  var isSync: Bool { if case .sync = self { true } else { false } }
}

// SAFETY: The arrays lend their bytes until `body` returns.
extension KeyRange {
  /// Lends the bounds to `body`.
  @safe
  func withBounds<Result, Failure: Error>(
    _ body: (_ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer?) throws(Failure) ->
      Result
  ) throws(Failure) -> Result {
    let outcome = unsafe lower.withUnsafeBytes { lower -> Swift.Result<Result, Failure> in
      @safe
      func run(_ upper: UnsafeRawBufferPointer?) -> Swift.Result<Result, Failure> {
        do throws(Failure) {
          return unsafe .success(try body(lower, upper))
        } catch {
          return .failure(error)
        }
      }
      guard let upper else { return run(nil) }
      return unsafe upper.withUnsafeBytes { run($0) }
    }
    return try outcome.get()
  }
}

extension EngineError {
  /// The tree's error in the words of all engines.
  init(_ error: LSMError, _ operation: EngineOperation, in directory: String) {
    func failure(_ detail: String) -> Failure {
      Failure(operation: operation, directory: directory, detail: detail)
    }
    self =
      switch error {
      case .corruption(let damage): .corruption(failure("\(damage)"))
      case .io(let cause), .notFound(let cause), .alreadyExists(let cause): .io(failure("\(cause)"))
      case .noSpace(let cause): .noSpace(failure("\(cause)"))
      case .lockHeld: .lockHeld(directory: directory)
      case .poisoned(let cause):
        .readOnly(reason: "\(cause)")
      case .refused(let cause): .writesPaused(reason: "\(cause)", isDiskFull: cause.isDiskFull)
      case .stopped(let reason): .readOnly(reason: reason)
      case .readOnly: .readOnly(reason: "it was opened for reading only")
      case .closed: .closed
      case .malformedBatch(let offset):
        .malformedBatch(offset: offset + WriteBatch.countOffset)
      case .tooLarge(let bytes, let limit): .tooLarge(bytes: bytes, limit: limit)
      case .changing: .busy(directory: directory)
      case .unsupportedFormat, .unsortedKeys, .wouldBlock, .brokenInvariant:
        .other(failure("\(error)"))
      }
  }
}

extension LSMError {
  /// Whether the disk or the quota is full.
  var isDiskFull: Bool { if case .noSpace = self { true } else { false } }
}

extension EngineStatistics {
  init(_ tree: TreeStatistics) {
    self.init()
    estimatedKeyCount = tree.estimatedKeyCount
    tableBytes = tree.levels.reduce(0) { $0 + $1.bytes }
    estimatedLiveBytes = tableBytes
    levels = tree.levels.map { Level(fileCount: UInt64($0.fileCount), bytes: $0.bytes) }
    while levels.last?.fileCount == 0 { levels.removeLast() }
    logBytes = tree.logBytes
    memtableBytes = tree.memtableBytes
    memtablesWaitingForFlush = UInt64(tree.memtablesWaitingForFlush)
    mayHoldRangeDeletes = tree.rangeTombstoneCount > 0
    cacheCapacityBytes = UInt64(tree.cacheCapacityBytes)
    cacheUsedBytes = UInt64(tree.cacheUsedBytes + tree.pinnedTableBytes)
    runningFlushes = tree.isFlushing ? 1 : 0
    runningCompactions = UInt64(tree.runningCompactions)
    pendingCompactionBytes = tree.pendingCompactionBytes
    delayedWriteRate = tree.delayedWriteRate
    isWriteStopped = tree.isWriteStopped
    snapshotCount = UInt64(tree.snapshotCount)
    backgroundErrors = tree.totals.backgroundErrors
    readOnlyReason = tree.failure.map { "a write failed (\($0))" }
  }
}
