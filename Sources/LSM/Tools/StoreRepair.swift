/// Makes a store that opens again out of what can be read of a damaged one, and says exactly what could not be
/// saved.
///
/// 1. The store's lock is taken: nobody else has it open.
/// 2. Everything is read. With a readable manifest its tables count, each at its level; without one all tables
///    that are there count.
/// 3. A damaged table is written anew from the blocks that can be read; the whole ones stay as they are. Without a
///    manifest nobody knows the levels, so all tables are merged into one sorted run; sequence numbers tell which
///    version of a key is the newer one.
/// 4. The records of the logs, up to the first hole, become tables of level 0.
/// 5. What is replaced gets a second name in `lost+found-N`, inside the store's directory, and what is lost is written
///    down there. A new, empty log, a new manifest, and last `CURRENT`: only with that the store has changed. The old
///    names are removed.
///
/// Cut short at any point it can be run again, and finds at least as much, or tells what the first one wrote down. A
/// store in which nothing is wrong is not changed.
///
/// Memory: as a compaction, and the range tombstones of all tables. Space on the disk: that of the damaged tables;
/// without a manifest that of all. Blocks on disk I/O.
package struct StoreRepair {
  /// What a repair may do.
  package struct Options: Sendable {
    /// How tables are written, and memtables sized.
    package var tree = TreeOptions()
    /// Whether it only says what it would do.
    package var isDryRun = false
    /// What a store is called whose id cannot be found; nil draws one. For tests.
    package var storeID: StoreID?
    /// A remark for whoever knows what the keys mean, given the ranges in which entries are lost.
    package var remark: @Sendable ([Report.LostRange]) -> String? = { _ in nil }

    package init() {}
  }

  /// What a repair has found, saved and lost.
  package struct Report: Equatable, Sendable {
    /// What is wrong with the store. Empty: nothing was done.
    package var problems: [Finding] = []
    /// What could not be saved.
    package var losses: [Finding] = []
    /// User keys among which are lost ones: from `lower` on, up to `upper`; nil: no bound is known.
    package struct LostRange: Equatable, Sendable {
      /// The first key that may be lost.
      package var lower: [UInt8]?
      /// The first key after those that may be lost.
      package var upper: [UInt8]?
    }
    /// Where in the key space entries of tables are lost.
    package var lostRanges: [LostRange] = []
    /// What else an operator should know.
    package var remarks: [String] = []
    /// Whether a manifest could be read, so that levels are known.
    package var usedManifest = false
    /// Tables that stay as they are.
    package var keptTableCount = 0
    /// Damaged tables that were written anew.
    package var rewrittenTableCount = 0
    /// Tables that were merged into one run, for want of a manifest.
    package var mergedTableCount = 0
    /// Tables of which nothing could be saved.
    package var lostTableCount = 0
    /// Changes from logs that are in tables now.
    package var replayedChangeCount: UInt64 = 0
    /// Tables of the repaired store, and their entries. Of a dry run: 0.
    package var tableCount = 0
    /// Entries in the repaired store's tables.
    package var entryCount: UInt64 = 0
    /// The newest change that is kept.
    package var lastSequence: UInt64 = 0
    /// The folder in the store's directory that has the replaced files; nil when nothing was replaced.
    package var folder: String?
    /// Names of the files that were replaced, and are in the folder.
    package var movedFiles: [String] = []
    /// What repairs that were cut short before they could tell it have written down, apart from what is above.
    package var earlier: [RepairReport] = []
    /// Folders whose reports are told with this one.
    var untoldFolders: [String] = []

    /// Whether anything is wrong.
    package var isNeeded: Bool { !problems.isEmpty }
  }

  let fileSystem: any FileSystem
  let directory: String
  let options: Options
  let progress: (ToolProgress) -> Void
  var report = Report()

  /// What the manifest says; nil when it cannot be read.
  var state: VersionEdit?
  /// Whether the manifest says that the store was closed cleanly.
  var isClosed = false
  var store = StoreID(low: 0, high: 0)
  /// Whether the levels are unknown or wrong, so that all tables go into one run.
  var mergesAll = false
  var files: StoreFiles
  var sources: [Source] = []
  var chain: LogChain?
  var selection = LogChain.Selection()

  /// A table that counts.
  struct Source {
    enum Condition {
      case whole
      /// Some of it can be read.
      case damaged
      /// Nothing of it can be.
      case lost
    }

    let number: FileNumber
    var level: Int
    /// As the manifest says; without one, as the table itself does.
    var metadata: TableMetadata?
    var condition: Condition
    var largestSequence: SequenceNumber
  }

  /// - Parameter progress: called every few blocks.
  /// - Throws: ``LSMError/lockHeld(path:)``; ``LSMError/unsupportedFormat(path:version:)`` when a newer program
  ///   wrote the store; ``LSMError/notFound(_:)`` when there is none; what the file system throws. `CURRENT` is
  ///   as before then, or the repair is complete.
  package static func run(
    _ fileSystem: any FileSystem, directory: String, options: Options = Options(),
    progress: @escaping (ToolProgress) -> Void = { _ in }
  ) throws(LSMError) -> Report {
    let files = try StoreFiles(fileSystem, directory: directory)
    if files.isEmpty {
      throw .absent(FileName.current.path(in: directory))
    }
    let lock = try fileSystem.lock(FileName.lock.path(in: directory))
    var repair = StoreRepair(fileSystem, directory, options, progress, files)
    let outcome = repair.runLocked()
    withExtendedLifetime(lock) {}
    return try outcome.get()
  }

  private init(
    _ fileSystem: any FileSystem, _ directory: String, _ options: Options,
    _ progress: @escaping (ToolProgress) -> Void, _ files: StoreFiles
  ) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.options = options
    self.progress = progress
    self.files = files
  }

  private mutating func runLocked() -> Result<Report, LSMError> {
    do throws(LSMError) {
      let untold = try RepairReport.untold(fileSystem, directory: directory)
      try identify()
      try examineTables()
      try examineLogs()
      if report.isNeeded { explain() }
      report.add(untold)
      if report.isNeeded, !options.isDryRun { try carryOut() }
      return .success(report)
    } catch {
      return .failure(error)
    }
  }

  // MARK: - Which store

  private mutating func identify() throws(LSMError) {
    var current: CurrentFile?
    do throws(LSMError) {
      current = try CurrentFile(fileSystem, directory: directory)
    } catch {
      if case .unsupportedFormat = error { throw error }
      report.problems.append(Finding(error, in: .current))
    }
    if current == nil, let newest = files.manifests.last, let found = try header(.manifest(newest))
    {
      // The newest manifest says at least what the one in use said: it states everything when it is begun,
      // and the other one takes no edit from then on.
      current = CurrentFile(store: found.store, manifest: newest)
    }
    if let current {
      store = current.store
      do throws(LSMError) {
        let found = try ManifestReader.read(
          fileSystem, directory: directory, current, isReadOnly: options.isDryRun, { _, _ in })
        state = found.state
        isClosed = found.isClosed
        for name in files.numbered where name.number.map({ $0 >= limit }) ?? false {
          report.remarks.append("\(name) is not a file of this store: it is left alone")
        }
      } catch {
        if case .unsupportedFormat = error { throw error }
        report.problems.append(Finding(error, in: .manifest(current.manifest)))
      }
    } else {
      store = try anyStoreID()
    }
    report.usedManifest = state != nil
    mergesAll = state == nil
    if let state {
      let disorder = LevelOrder.findings(state.added)
      report.problems += disorder
      if !disorder.isEmpty { mergesAll = true }
    }
  }

  /// What a log or manifest says of itself; nil when it says nothing that can be trusted.
  private func header(_ name: FileName) throws(LSMError) -> LogHeader? {
    do throws(LSMError) {
      return try LogReader(
        fileSystem, directory: directory, name: name, store: nil, ending: .open
      ).header
    } catch {
      if case .unsupportedFormat = error { throw error }
      return nil
    }
  }

  private mutating func anyStoreID() throws(LSMError) -> StoreID {
    let names =
      files.manifests.reversed().map { FileName.manifest($0) }
      + files.logs.reversed().map { FileName.log($0) }
    for name in names {
      if let found = try header(name) { return found.store }
    }
    report.remarks.append("no file says the store's id: it gets a new one")
    return options.storeID ?? .random()
  }

  // MARK: - Tables

  private mutating func examineTables() throws(LSMError) {
    let named: [(number: FileNumber, level: Int, metadata: TableMetadata?)] =
      state?.added.map { ($0.table.number, $0.level, $0.table) }
      ?? files.tables.map { ($0, Version.lastLevel, nil) }
    let live = Set(named.map(\.number))
    for number in files.tables where !live.contains(number) && number < limit {
      report.remarks.append(
        "\(FileName.table(number)) is a leftover: the manifest does not name it; the next start removes it"
      )
    }
    var totalBytes: UInt64 = 0
    for table in named { totalBytes += table.metadata?.fileBytes ?? size(table.number) }
    var doneBytes: UInt64 = 0
    for (number, level, metadata) in named {
      let begin = doneBytes
      var read: UInt64 = 0
      let progress = progress
      let source = try examine(number, level, metadata) { bytes in
        read += bytes
        progress(
          ToolProgress(
            what: "reading \(FileName.table(number))", doneBytes: begin + read,
            totalBytes: totalBytes))
      }
      doneBytes = begin + (metadata?.fileBytes ?? size(number))
      sources.append(source)
    }
  }

  private func size(_ number: FileNumber) -> UInt64 {
    do throws(LSMError) {
      let file = try fileSystem.open(FileName.table(number).path(in: directory))
      defer { file.close() }
      return file.size
    } catch {
      return 0
    }
  }

  private mutating func examine(
    _ number: FileNumber, _ level: Int, _ metadata: TableMetadata?, progress: (UInt64) -> Void
  ) throws(LSMError) -> Source {
    var source = Source(
      number: number, level: level, metadata: metadata, condition: .lost,
      largestSequence: metadata?.largestSequence ?? .zero)
    let parts: TableParts
    do throws(LSMError) {
      parts = try open(number, metadata)
    } catch .notFound(let failure) {
      report.problems.append(Finding(LSMError.notFound(failure), in: .table(number)))
      lose(source, "the file is missing")
      return source
    }
    if let metadata, let identity = parts.identity, identity != metadata.identity {
      report.problems += parts.problems.map(\.finding)
      lose(source, "another table has its name")
      return source
    }
    var check = TableCheck(parts, metadata)
    try check.run(progress: progress)
    report.problems += check.findings
    source.largestSequence = max(
      source.largestSequence,
      max(check.seen.largestSequence, parts.properties?.largestSequence ?? .zero))
    if check.isIntact {
      source.condition = .whole
      if metadata == nil, let properties = parts.properties, let identity = parts.identity {
        source.metadata = TableMetadata(
          number: number, identity: identity, fileBytes: parts.fileBytes, epoch: 0,
          reclaimableCount: 0, properties: properties)
      }
      return source
    }
    if check.seen.entryCount == 0, parts.tombstones.isEmpty {
      let isEmpty = metadata?.entryCount == 0 && metadata?.rangeTombstoneCount == 0
      if !isEmpty { lose(source, "nothing in it could be read") }
      return source
    }
    source.condition = .damaged
    losses(of: parts, check, metadata)
    return source
  }

  /// Numbers from here on are not the store's own.
  var limit: FileNumber { state?.nextFileNumber.beyondAllOwn ?? FileNumber(.max) }

  func open(_ number: FileNumber, _ metadata: TableMetadata?) throws(LSMError) -> TableParts {
    try TableParts(
      fileSystem, directory: directory, number, metadata: metadata,
      identity: store.context(of: number))
  }
}
