/// What a store consists of, as far as it can be read: for people who look at it. Changes nothing, locks nothing.
///
/// Of tables only the size is compared, and without a manifest what they say of themselves; ``StoreVerification``
/// reads them.
package struct StoreInspection: Sendable {
  /// The manifest that counts, and the store's numbers as it says them.
  package struct Manifest: Sendable {
    /// The number in its file name.
    package let number: FileNumber
    /// Size of its file.
    package let fileBytes: UInt64
    /// Records: the first states everything, the rest are changes.
    package let editCount: Int
    /// Whether it was finished: by a clean close, or by a successor.
    package let isSealed: Bool
    /// As ``VersionEdit/nextFileNumber`` after all edits; so are those below.
    package let nextFileNumber: FileNumber
    /// For the next table of level 0.
    package let nextEpoch: UInt64
    /// Every change up to it is in tables.
    package let flushedSequence: SequenceNumber
    /// The oldest log that recovery must find; 0: none yet.
    package let logNumber: FileNumber
  }

  /// A table, as the manifest or the table itself knows it.
  package struct Table: Sendable {
    /// Nil when no manifest says it.
    package let level: Int?
    /// The table's own words where no manifest has it: epoch and count of reclaimable entries are 0 then.
    package let metadata: TableMetadata
  }

  /// A write-ahead log, read as far as it goes.
  package struct Log: Sendable {
    /// How its end looks.
    package enum Ending: Sendable, Equatable {
      case sealed
      /// The last log of a store that is open, or was not closed: what is after the records is zeros written
      /// ahead, or what a crash left.
      case open(unreadBytes: UInt64)
      /// Its creation was cut short.
      case unborn
      case damaged
    }

    /// The number in its file name.
    package let number: FileNumber
    /// Size of its file, zeros written ahead among it.
    package let fileBytes: UInt64
    /// The log that it goes on after; nil: the first one, or not known.
    package let predecessor: FileNumber?
    /// Batches.
    package let recordCount: UInt64
    /// Changes in them.
    package let changeCount: UInt64
    /// Sequence numbers of its changes; nil when it has none.
    package let sequences: ClosedRange<UInt64>?
    /// How it ends.
    package let ending: Ending
    /// Whether recovery reads it.
    package let isNeeded: Bool
  }

  /// A file that is only named.
  package struct File: Sendable {
    /// In the directory of the store.
    package let name: String
    /// 0 when the file cannot be opened.
    package let fileBytes: UInt64
  }

  /// Nil when it is not there or cannot be read.
  package private(set) var current: CurrentFile?
  /// Nil when none can be read.
  package private(set) var manifest: Manifest?
  /// By level; in level 0 the newest first, below in key order.
  package private(set) var tables: [Table] = []
  /// Oldest first.
  package private(set) var logs: [Log] = []
  /// Files of the store's own that nothing needs; the next start removes them.
  package private(set) var leftovers: [File] = []
  /// Names that the engine does not write, and leaves alone.
  package private(set) var others: [String] = []
  /// What is damaged or missing, in the order in which it was met.
  package private(set) var findings: [Finding] = []

  /// Looks at a store, also beside a running server: only what two looks find alike is a finding.
  ///
  /// - Throws: when the directory cannot be listed, or holds no store; ``LSMError/changing(path:)``.
  package init(_ fileSystem: any FileSystem, directory: String) throws(LSMError) {
    var look = try StoreInspection(once: fileSystem, directory)
    for attempt in 1..<LookingAgain.tries where !look.findings.isEmpty {
      LookingAgain.pause(before: attempt)
      let next = try StoreInspection(once: fileSystem, directory)
      let isSame = next.findings.allSatisfy { look.findings.contains($0) }
      look = next
      if isSame {
        self = look
        return
      }
    }
    guard look.findings.isEmpty else { throw .changing(path: directory) }
    self = look
  }

  private init(once fileSystem: any FileSystem, _ directory: String) throws(LSMError) {
    let files = try StoreFiles(fileSystem, directory: directory)
    if files.isEmpty {
      throw .absent(FileName.current.path(in: directory))
    }
    func size(_ name: FileName) -> UInt64? {
      do throws(LSMError) {
        let file = try fileSystem.open(name.path(in: directory))
        defer { file.close() }
        return file.size
      } catch {
        return nil
      }
    }
    others = files.others
    let state = try readManifest(fileSystem, directory, size)
    if let state {
      takeTables(state, size)
    } else {
      readTables(fileSystem, directory, files)
    }
    try readLogs(fileSystem, directory, state?.logNumber ?? 0)
    findLeftovers(files, state, size)
  }

  // MARK: - Parts

  private mutating func readManifest(
    _ fileSystem: any FileSystem, _ directory: String, _ size: (FileName) -> UInt64?
  ) throws(LSMError) -> VersionEdit? {
    do throws(LSMError) {
      current = try CurrentFile(fileSystem, directory: directory)
    } catch {
      findings.append(Finding(error, in: .current))
      return nil
    }
    do throws(LSMError) {
      let found = try ManifestReader.look(fileSystem, directory: directory)
      current = found.current
      let number = found.current.manifest
      manifest = Manifest(
        number: number, fileBytes: size(.manifest(number)) ?? 0, editCount: found.editCount,
        isSealed: found.isSealed, nextFileNumber: found.state.nextFileNumber,
        nextEpoch: found.state.nextEpoch, flushedSequence: found.state.flushedSequence,
        logNumber: found.state.logNumber)
      return found.state
    } catch {
      if case .changing = error { throw error }
      findings.append(Finding(error, in: current.map { .manifest($0.manifest) } ?? .current))
      return nil
    }
  }

  private mutating func takeTables(_ state: VersionEdit, _ size: (FileName) -> UInt64?) {
    tables = state.added.map { Table(level: $0.level, metadata: $0.table) }
    tables.sort { left, right in
      let (one, other) = (left.level ?? 0, right.level ?? 0)
      if one != other { return one < other }
      if one == 0 { return left.metadata.epoch > right.metadata.epoch }
      let isBefore = InternalKey.withKey(encoded: left.metadata.smallest) { left in
        InternalKey.withKey(encoded: right.metadata.smallest) { left < $0 }
      }
      return isBefore == true
    }
    for table in tables {
      let name = FileName.table(table.metadata.number)
      switch size(name) {
      case nil: findings.append(Finding(name, "the file is missing or cannot be opened"))
      case let bytes? where bytes != table.metadata.fileBytes:
        findings.append(
          Finding(name, "the file has \(bytes) bytes, not \(table.metadata.fileBytes)"))
      default: break
      }
    }
    findings += LevelOrder.findings(state.added)
  }

  private mutating func readTables(
    _ fileSystem: any FileSystem, _ directory: String, _ files: StoreFiles
  ) {
    for number in files.tables {
      do throws(LSMError) {
        let parts = try TableParts(fileSystem, directory: directory, number, metadata: nil)
        findings += parts.problems.map(\.finding)
        guard let properties = parts.properties, let identity = parts.identity else { continue }
        tables.append(
          Table(
            level: nil,
            metadata: TableMetadata(
              number: number, identity: identity, fileBytes: parts.fileBytes, epoch: 0,
              reclaimableCount: 0, properties: properties)))
      } catch {
        findings.append(Finding(error, in: .table(number)))
      }
    }
  }

  private mutating func readLogs(
    _ fileSystem: any FileSystem, _ directory: String, _ first: FileNumber
  ) throws(LSMError) {
    let chain: LogChain
    do throws(LSMError) {
      chain = try LogChain.look(
        fileSystem, directory: directory, store: current?.store, from: 0,
        before: manifest?.nextFileNumber.beyondAllOwn)
    } catch {
      if case .changing = error { throw error }
      findings.append(Finding("", "\(error)"))
      return
    }
    for log in chain.logs {
      let isNeeded = log.number >= first
      // A log that is done with may be gone again.
      if let finding = log.finding, isNeeded { findings.append(finding) }
      logs.append(
        Log(
          number: log.number, fileBytes: log.fileBytes,
          predecessor: log.header?.predecessor?.number,
          recordCount: log.recordCount, changeCount: log.changeCount,
          sequences: log.firstSequence.map { $0...log.lastSequence }, ending: Self.ending(log),
          isNeeded: isNeeded))
    }
    guard first > 0 else { return }
    if let log = chain.logs.first(where: { $0.number == first }) {
      guard log.header == nil, log.damage == nil else { return }
      findings.append(Finding(.log(first), at: 0, "\(LogFormat.headerIsAbsent)"))
    } else {
      findings.append(Finding(.log(first), "the file is missing"))
    }
  }

  private static func ending(_ log: LogChain.Log) -> Log.Ending {
    if log.damage != nil { return .damaged }
    if log.isSealed { return .sealed }
    guard log.header != nil, let end = log.end else { return .unborn }
    return .open(unreadBytes: log.fileBytes - min(end.length, log.fileBytes))
  }

  private mutating func findLeftovers(
    _ files: StoreFiles, _ state: VersionEdit?, _ size: (FileName) -> UInt64?
  ) {
    guard let state, let current else { return }
    let live = Set(state.added.map(\.table.number))
    for name in files.numbered {
      if let number = name.number, number >= state.nextFileNumber.beyondAllOwn {
        others.append(name.description)
        continue
      }
      let isNeeded =
        switch name {
        case .table(let number): live.contains(number)
        case .log(let number): number >= state.logNumber
        case .manifest(let number): number == current.manifest
        default: false
        }
      if !isNeeded { leftovers.append(File(name: name.description, fileBytes: size(name) ?? 0)) }
    }
  }
}
