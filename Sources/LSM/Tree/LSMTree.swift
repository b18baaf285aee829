import Synchronization

/// An ordered key-value store: a log-structured merge tree (P. O'Neil et al., 1996), leveled.
///
/// Keys and values are any bytes, ordered by memcmp. A write goes to the log, then into the memtable; a
/// full memtable becomes a table of level 0; compactions merge tables downwards. docs/lsm.md walks through
/// it.
///
/// - **Batches** are atomic and isolated: ``apply(_:sync:)``.
/// - **Durability**: with `sync` a power cut loses nothing once the call has returned, without it a kill -9
///   does not.
/// - **Poison**: after a failed write or sync of the log nothing more is written and no file removed; every write
///   throws ``LSMError/poisoned(cause:)``. Reads go on. The next open tells what was kept.
/// - **Trouble**: a flush or compaction that fails, a log that cannot be begun and an append to it that finds no
///   space harm nothing: they are tried again, see ``trouble``. A write that cannot wait for them throws
///   ``LSMError/refused(cause:)``.
///
/// Thread-safety: every call from any thread. ``close()`` waits for nobody: no other call may run beside it
/// or after it. Calls block on disk I/O where they say so.
///
/// Locks, in the order in which they may be taken: `writes`, `installs`, `state`, then those inside
/// ``SnapshotList``, ``EpochCell``, ``ObsoleteFiles`` and the cache. No I/O under `state`.
package final class LSMTree: Sendable {
  // Constant after init.
  /// Where the store is.
  package let directory: String
  /// The store's own number.
  package let store: StoreID
  let fileSystem: any FileSystem
  let options: TreeOptions
  let tables: TableStore

  // With their own synchronisation.
  let readState: EpochCell<ReadState>
  /// The last change that readers see.
  let visible: Atomic<UInt64>
  let snapshots = SnapshotList()
  let state: Monitor<State>
  let stalls = WriteStalls()
  /// Whether ``State/failure`` is set: what a write looks at.
  let isPoisoned = Atomic<Bool>(false)
  /// Whether ``trouble`` has something to say.
  let hasTrouble = Atomic<Bool>(false)
  let background = BackgroundThreads()

  /// One writer at a time.
  let writes = Turnstile()
  // SAFETY: guarded by `writes`. Nil when the tree was opened for reading only.
  @safe nonisolated(unsafe) var log: LogWriter?
  // SAFETY: guarded by `writes`. The end of the last log, while there is none to write to.
  @safe nonisolated(unsafe) var logEnd: LogEnd?
  // SAFETY: guarded by `writes`. A log whose creation failed: it must be gone before the next one is made.
  @safe nonisolated(unsafe) var strayLog: FileNumber?
  // SAFETY: guarded by `writes`; the same as in `state`, without its lock.
  @safe nonisolated(unsafe) var memtable: Memtable
  // SAFETY: written by init and `close` alone.
  @safe private nonisolated(unsafe) var lock: (any FileLock)?

  /// One edit of the manifest at a time.
  let installs = Turnstile()
  // SAFETY: guarded by `installs`. Nil when the tree was opened for reading only.
  @safe nonisolated(unsafe) var manifest: Manifest?
  // SAFETY: guarded by `installs`. Tables of edits that the manifest has or has not: they stay until it is rolled.
  @safe nonisolated(unsafe) var doubtfulTables: [TableFile] = []

  struct State {
    var version: Version
    var memtable: Memtable
    /// The log that takes the memtable's records.
    var memtableLog: FileNumber
    /// Oldest first.
    var immutables: [ImmutableMemtable] = []
    var nextFileNumber: UInt64
    var nextEpoch: UInt64
    /// Every change up to it is in tables of `version`.
    var flushedSequence: SequenceNumber
    /// The oldest log that recovery must find.
    var logNumber: FileNumber
    var isFlushing = false
    var runningCompactions = 0
    /// Calls of `compact` that wait for tables to be free: no other compaction begins before theirs.
    var waitingManuals = 0
    var isClosing = false
    /// Why nothing is written any more.
    var failure: LSMError?
    var flushSetback: Setback?
    var compactionSetback: Setback?
    var logSetback: Setback?
    /// Flushes that failed, since the tree was opened.
    var flushFailureCount: UInt64 = 0
    var totals = TreeTotals()

    mutating func takeFileNumber() -> FileNumber {
      defer { nextFileNumber += 1 }
      return FileNumber(nextFileNumber)
    }

    /// Everything, as the first record of a manifest.
    var edit: VersionEdit {
      var edit = VersionEdit(
        kind: .state, nextFileNumber: FileNumber(nextFileNumber), nextEpoch: nextEpoch,
        flushedSequence: flushedSequence, logNumber: logNumber)
      for level in 0..<Version.levelCount {
        edit.added += version.files(at: level).map { .init(level: level, table: $0.metadata) }
      }
      return edit
    }
  }

  init(_ recovered: consuming RecoveredStore) {
    directory = recovered.directory
    store = recovered.store
    fileSystem = recovered.fileSystem
    options = recovered.options
    tables = recovered.tables
    lock = recovered.lock
    manifest = recovered.manifest
    log = recovered.log
    memtable = recovered.state.memtable
    visible = Atomic(recovered.lastSequence.rawValue)
    readState = EpochCell(
      ReadState(
        memtable: recovered.state.memtable,
        immutables: recovered.state.immutables.reversed().map(\.memtable),
        version: recovered.state.version))
    state = Monitor(recovered.state, isRecursionSafe: true)
    stalls.update(recovered.state.version, options)
    // Also on an idle store: the last reader of a table may be gone long after the last write.
    tables.obsolete.whenAdded { [weak self] in self?.state.wakeSurely() }
  }

  var visibleSequence: SequenceNumber {
    SequenceNumber(rawValue: visible.load(ordering: .acquiring))
  }

  /// The sequence number of the last change that readers see; 0 for a store that was never written to. One
  /// atomic load, from any thread, in a tree that was opened for reading only too.
  ///
  /// It never goes back while the tree is open. An acknowledged batch of n changes has raised it by n. After
  /// an open it is at least what it was once the last batch was acknowledged that the store kept: all of
  /// them after a kill -9; after a power cut those that were synced, or followed by a sync, ``flush()`` or
  /// ``close()``.
  package var lastSequence: UInt64 { visible.load(ordering: .acquiring) }

  // MARK: - Failures

  /// Ends all writing; the first cause stays.
  func poison(_ error: LSMError) {
    state.withLock { state in
      if state.failure == nil { state.failure = error }
      noteTrouble(&state)
    }
    isPoisoned.store(true, ordering: .releasing)
    state.wakeAll()
  }

  /// Ends all writing, for a reason that the tree cannot see itself.
  package func refuseWrites(_ reason: String) {
    poison(.stopped(reason: reason))
  }

  /// Why nothing is written any more; nil while all is well.
  package var failure: LSMError? { state.withLock { $0.failure } }

  func requireWritable() throws(LSMError) {
    if options.isReadOnly { throw .readOnly(path: directory) }
    guard isPoisoned.load(ordering: .acquiring) else { return }
    throw .poisoned(cause: failure ?? .closed(path: directory))
  }

  /// Puts what readers look at in place of what they looked at before.
  /// - Precondition: under the lock of `state`.
  func publish(_ state: inout State) {
    readState.replace(
      ReadState(
        memtable: state.memtable, immutables: state.immutables.reversed().map(\.memtable),
        version: state.version))
  }

  // MARK: - Closing

  /// Ends the background work, makes buffered writes durable, and gives files and memory back.
  ///
  /// Memtables are not flushed: the log has their records, and the next open reads it.
  ///
  /// - Precondition: no other call runs, nor will.
  /// - Throws: the error of the last sync. The tree is closed all the same; only writes that were not synced
  ///   may be lost then, and only by a power cut.
  package func close() throws(LSMError) {
    state.withLock { $0.isClosing = true }
    state.wakeAll()
    background.join()
    var failure: LSMError?
    if !isPoisoned.load(ordering: .acquiring) {
      do throws(LSMError) {
        if let log { _ = try log.finish() }
        // A sealed manifest says that the log is sealed too.
        if let manifest, let log, log.isSealed {
          try manifest.finish()
        }
      } catch {
        failure = error
      }
    }
    log = nil
    logEnd = nil
    manifest = nil
    doubtfulTables = []
    // A snapshot that is still held keeps the tree, but no files and no memory.
    memtable = Memtable(capacityBytes: TreeLimits.slackBytes)
    state.withLock { state in
      state.version = .empty
      state.immutables = []
      state.memtable = memtable
    }
    readState.replace(nil)
    readState.synchronize()
    lock = nil
    if let failure { throw failure }
  }
}

/// Sums since the tree was opened.
package struct TreeTotals: Equatable, Sendable {
  /// Memtables written as tables.
  package var flushCount: UInt64 = 0
  /// Bytes of the tables that flushes wrote.
  package var flushedBytes: UInt64 = 0
  /// Compactions that wrote tables.
  package var compactionCount: UInt64 = 0
  /// Compactions that moved tables unread.
  package var moveCount: UInt64 = 0
  /// File bytes of all inputs.
  package var compactedBytesRead: UInt64 = 0
  /// File bytes of all outputs.
  package var compactedBytesWritten: UInt64 = 0
  /// What became of the entries that were read.
  package var merged = MergeCounts()
  /// Failures of background work, also those that a retry mended.
  package var backgroundErrors: UInt64 = 0

  package init() {}
}
