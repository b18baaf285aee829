/// What opening a directory has found and made: everything a tree begins with.
///
/// The order in which files become durable (docs/lsm.md has the reasons):
///
/// 1. the logs are synced, read, and their records written to tables;
/// 2. a new manifest states all tables, and still asks for the old logs; `CURRENT` names it;
/// 3. a new log is made, with the last old one as its predecessor;
/// 4. an edit asks for the new log alone; only then the old ones are removed.
///
/// A crash anywhere leaves a directory that opens to the same records: those that are both in a table and
/// in a log are told by their sequence numbers.
///
/// Thread-safety: none; one owner. Blocks on disk I/O.
struct RecoveredStore {
  let fileSystem: any FileSystem
  let directory: String
  let options: TreeOptions
  let store: StoreID
  let tables: TableStore
  let lock: (any FileLock)?
  var state: LSMTree.State
  var lastSequence: SequenceNumber
  var manifest: Manifest?
  var log: LogWriter?
  /// Names found at the beginning, until what no version needs among them was removed.
  private var leftovers: [FileName] = []
  /// Numbers from here on are not the store's own.
  private let limit: FileNumber

  /// Opens or creates the store in `directory`.
  ///
  /// - Throws: ``LSMError/lockHeld(path:)``; ``LSMError/notFound(_:)`` when there is none and none may be
  ///   made; ``LSMError/corruption(_:)`` naming file and offset; what the file system throws.
  init(
    _ fileSystem: any FileSystem, directory: String, options: TreeOptions
  ) throws(LSMError) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.options = options
    lock = try Self.lock(fileSystem, directory, options)
    var names = try fileSystem.list(directory).compactMap { FileName($0) }
    let found =
      names.contains(.current)
      ? try ManifestReader.read(
        fileSystem, directory: directory, isReadOnly: options.isReadOnly)
      : try Self.nothing(fileSystem, directory, options, names)
    store = found.current.store
    let cache = BlockCache(capacityBytes: options.cacheSizeBytes)
    tables = TableStore(
      fileSystem: fileSystem, directory: directory, store: store, options: options.table,
      cache: cache, obsolete: ObsoleteFiles())
    lastSequence = found.state.flushedSequence
    let memtable = Memtable(
      capacityBytes: options.limits.capacity(forMemtableOf: options.memtableSizeBytes))
    limit = found.state.nextFileNumber.beyondAllOwn
    let limit = limit
    names.removeAll { name in name.number.map { $0 >= limit } ?? false }
    let highest = names.compactMap(\.number).max()?.rawValue ?? 0
    state = LSMTree.State(
      version: .empty, memtable: memtable, memtableLog: 0,
      nextFileNumber: max(found.state.nextFileNumber.rawValue, highest + 1),
      nextEpoch: found.state.nextEpoch, flushedSequence: found.state.flushedSequence,
      logNumber: found.state.logNumber)
    state.version = try openTables(found.state)
    if options.isReadOnly {
      let outcome = try replay(isNew: false)
      try checkSeal(found, outcome)
      return
    }
    leftovers = names
    let outcome = try replay(isNew: found.editCount == 0)
    try checkSeal(found, outcome)
    try checkEnd(outcome?.end)
    try begin(
      after: outcome?.end,
      givingUp: outcome.map { $0.end == nil ? $0.logs + $0.unborn : [] } ?? [])
    try removeLeftovers()
  }

  private static func lock(
    _ fileSystem: any FileSystem, _ directory: String, _ options: TreeOptions
  ) throws(LSMError) -> (any FileLock)? {
    if options.isReadOnly { return nil }
    if try !fileSystem.exists(directory) {
      guard options.createIfMissing else {
        throw .absent(directory)
      }
      try fileSystem.createDirectory(directory)
    }
    return try fileSystem.lock(FileName.lock.path(in: directory))
  }

  /// The state of a store that is not there yet.
  private static func nothing(
    _ fileSystem: any FileSystem, _ directory: String, _ options: TreeOptions, _ names: [FileName]
  ) throws(LSMError) -> ManifestReader.Outcome {
    // A creation cut short leaves a manifest and a temporary file at most.
    let first: FileNumber = 1
    let hasData = names.contains { name in
      switch name {
      case .table(let number), .log(let number): number < first.beyondAllOwn
      default: false
      }
    }
    let path = FileName.current.path(in: directory)
    if hasData { throw .corruption(LSMError.Damage(path: path, offset: 0, .missing)) }
    if options.isReadOnly || !options.createIfMissing {
      throw .absent(path)
    }
    // Also when the directory is there: an earlier try may have died between making and syncing it.
    try fileSystem.syncDirectory(FileName.parent(of: directory))
    return ManifestReader.Outcome(
      current: CurrentFile(store: options.storeID ?? .random(), manifest: 0),
      state: VersionEdit(
        kind: .state, nextFileNumber: 1, nextEpoch: 1, flushedSequence: .zero, logNumber: 0),
      editCount: 0, isSealed: false)
  }

  private func openTables(_ edit: VersionEdit) throws(LSMError) -> Version {
    var added: [(level: Int, file: TableFile)] = []
    for addition in edit.added { added.append((addition.level, try tables.open(addition.table))) }
    return try VersionBuilder.version(after: .empty, removing: [], adding: added)
  }

  // MARK: - Logs

  /// Reads the logs into memtables, and writes these to tables of level 0.
  @discardableResult
  private mutating func replay(isNew: Bool) throws(LSMError) -> LogRecovery.Outcome? {
    if isNew { return nil }
    let first = state.logNumber == 0 ? nil : state.logNumber
    let outcome = try LogRecovery.replay(
      fileSystem, directory: directory, store: store, from: first, before: limit,
      dropsDamagedTail: options.dropsDamagedLogTail, isReadOnly: options.isReadOnly
    ) { (number, record) throws(LSMError) in
      // Records that are in tables already: a crash came before the log was given up.
      guard record.sequence > state.flushedSequence.rawValue else { return }
      try take(record, of: number)
    }
    if !options.isReadOnly { try writeMemtable() }
    return outcome
  }

  private mutating func take(
    _ record: LogReader.Record, of number: FileNumber
  ) throws(LSMError) {
    let summary = try record.batchSummary(
      after: lastSequence.rawValue, FileName.log(number).path(in: directory))
    if state.memtable.isFull(options)
      || !state.memtable.hasRoom(recordCount: summary.count, bytes: summary.bytes)
    {
      try retire(summary)
    }
    try state.memtable.insert(record.bytes, first: record.sequence - UInt64(summary.count) + 1)
    lastSequence = SequenceNumber(rawValue: record.sequence)
  }

  /// After a clean close the last log has its seal, or its end is missing. Without a close nobody knows.
  private func checkSeal(
    _ found: ManifestReader.Outcome, _ outcome: LogRecovery.Outcome?
  ) throws(LSMError) {
    guard found.isClosed, let outcome, let end = outcome.end, !outcome.isSealed else { return }
    throw .corruption(
      LSMError.Damage(
        path: FileName.log(end.number).path(in: directory), offset: end.length,
        .truncated(field: "the log's end", needed: 1, available: 0)))
  }

  /// A log that counts further than the tables and records that were found: something is missing.
  private func checkEnd(_ end: LogEnd?) throws(LSMError) {
    guard let end, end.lastSequence > lastSequence.rawValue else { return }
    throw .corruption(
      LSMError.Damage(
        path: FileName.log(end.number).path(in: directory), offset: 0,
        .value(
          field: "the last sequence number", expected: lastSequence.rawValue,
          actual: end.lastSequence)))
  }

  /// Puts a new memtable in place of the full one, which becomes a table, or, when nothing may be written,
  /// stays in memory.
  private mutating func retire(_ summary: BatchReader.Summary) throws(LSMError) {
    if options.isReadOnly {
      state.immutables.append(
        ImmutableMemtable(memtable: state.memtable, log: 0, lastSequence: lastSequence))
    } else {
      try writeMemtable()
    }
    let capacity = options.limits.capacity(
      forMemtableOf: options.memtableSizeBytes, andFirst: summary)
    // Not the options' limit: what a log has must get out of it.
    guard capacity <= Memtable.maximumCapacityBytes else {
      throw .tooLarge(bytes: capacity, limit: Memtable.maximumCapacityBytes)
    }
    state.memtable = Memtable(capacityBytes: capacity)
  }

  /// Writes the memtable as a table of level 0 and begins another.
  private mutating func writeMemtable() throws(LSMError) {
    let memtable = state.memtable
    if memtable.isEmpty { return }
    removeUnknownTables()
    var next = state.nextFileNumber
    let outputs = try MergeRun.flush(
      memtable, "recovery", stripes: SnapshotStripes([]), epoch: state.nextEpoch, tables,
      makeNumber: {
        defer { next += 1 }
        return FileNumber(next)
      }, pause: {}
    ).files
    state.nextFileNumber = next
    state.nextEpoch += 1
    state.version = try VersionBuilder.version(
      after: state.version, removing: [], adding: outputs.map { (0, $0) })
    state.memtable = Memtable(
      capacityBytes: options.limits.capacity(forMemtableOf: options.memtableSizeBytes))
  }

  // MARK: - Beginning

  /// - Parameter given: logs that are given up although their end is not known, oldest first: nothing may ask
  ///   for them once a new log, which cannot name them, is there.
  private mutating func begin(
    after end: LogEnd?, givingUp given: [FileNumber]
  ) throws(LSMError) {
    state.flushedSequence = lastSequence
    if !given.isEmpty { state.logNumber = 0 }
    let number = state.takeFileNumber()
    let temporary = state.takeFileNumber()
    let logNumber = state.takeFileNumber()
    // The tables' names before the manifest that needs them.
    try fileSystem.syncDirectory(directory)
    let manifest = try Manifest(
      fileSystem, directory: directory, store: store, number: number, temporary: temporary,
      state: state.edit)
    for old in given.reversed() {
      // The newest first, each durably: what is left is a chain all the time.
      try fileSystem.remove(FileName.log(old).path(in: directory))
      try fileSystem.syncDirectory(directory)
    }
    log = try LogWriter(
      fileSystem, directory: directory, name: .log(logNumber), store: store, after: end,
      preallocates: options.preallocatesLogs)
    state.memtableLog = logNumber
    state.logNumber = logNumber
    var edit = state.edit
    edit.kind = .change
    edit.added = []
    try manifest.append(edit)
    self.manifest = manifest
  }

  private var liveTables: Set<FileNumber> { Set(state.version.allFiles.map(\.metadata.number)) }

  /// Gives back what an open or a merge cut short has taken, before this open needs space of its own: on a
  /// full disk each try would else fill what was freed for the next.
  ///
  /// Called once the logs are known to be the manifest's: a manifest that has lost its last edit must not
  /// cost the tables of that edit.
  private mutating func removeUnknownTables() {
    let live = liveTables
    for name in leftovers {
      guard case .table(let number) = name, !live.contains(number) else { continue }
      // What cannot be removed now only takes space.
      do throws(LSMError) { try fileSystem.remove(name.path(in: directory)) } catch {}
    }
    leftovers = []
  }

  /// Removes every file of the store's that the manifest does not need: what a crash or an earlier failure
  /// left.
  private func removeLeftovers() throws(LSMError) {
    let live = liveTables
    for text in try fileSystem.list(directory) {
      guard let name = FileName(text), name.number.map({ $0 < limit }) ?? true else { continue }
      let isNeeded =
        switch name {
        case .table(let number): live.contains(number)
        case .log(let number): number == state.logNumber
        case .manifest(let number): number == manifest?.number
        case .temporary: false
        case .current, .lock: true
        }
      if isNeeded { continue }
      // It only takes space, and the next open tries again.
      do throws(LSMError) { try fileSystem.remove(name.path(in: directory)) } catch {}
    }
  }
}
