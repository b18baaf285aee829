/// Reads everything a store consists of and reports all that is wrong with it. Changes nothing, locks nothing.
///
/// Of the manifest: that it is whole, and that its levels are in order. Of every table: each part and block by its
/// checksum and structure; the strict order of all keys; the bounds and counts that manifest and properties say;
/// that filter, index and block lead a point read to every single entry. Of the logs: every record, as a batch,
/// and the chain.
///
/// Beside a running server files may go while it reads: what the manifest no longer names then is passed over.
/// Memory: index, filter and range tombstones of one table, and one block. Blocks on disk I/O.
package struct StoreVerification {
  /// What was read, damaged parts left out.
  package struct Summary: Equatable, Sendable {
    /// Tables that were read.
    package var tableCount = 0
    /// Sizes of their files.
    package var tableBytes: UInt64 = 0
    /// Values and tombstones in tables, older versions of a key among them.
    package var entryCount: UInt64 = 0
    /// Range tombstones in tables: one that was cut counts once for each piece.
    package var rangeTombstoneCount: UInt64 = 0
    /// Logs that were read.
    package var logCount = 0
    /// Batches in the logs.
    package var recordCount: UInt64 = 0
    /// What was reported as a ``Finding``.
    package var problemCount = 0
    /// Records that a reader sees, those in the logs alone included; nil when something is wrong.
    package var liveRecordCount: UInt64?
  }

  private let fileSystem: any FileSystem
  private let directory: String
  private let progress: (ToolProgress) -> Void
  private let report: (Finding) -> Void
  private let remark: (String) -> Void
  private var summary = Summary()
  private var doneBytes: UInt64 = 0
  private var totalBytes: UInt64 = 0

  /// - Parameters:
  ///   - progress: called after every block.
  ///   - report: gets every problem.
  ///   - remark: gets what is no problem and yet worth a line.
  /// - Throws: when the directory cannot be listed, or holds no store; ``LSMError/changing(path:)``.
  package static func run(
    _ fileSystem: any FileSystem, directory: String,
    progress: @escaping (ToolProgress) -> Void = { _ in },
    report: @escaping (Finding) -> Void, remark: @escaping (String) -> Void = { _ in }
  ) throws(LSMError) -> Summary {
    var verification = StoreVerification(
      fileSystem: fileSystem, directory: directory, progress: progress, report: report,
      remark: remark)
    try verification.run()
    return verification.summary
  }

  private init(
    fileSystem: any FileSystem, directory: String, progress: @escaping (ToolProgress) -> Void,
    report: @escaping (Finding) -> Void, remark: @escaping (String) -> Void
  ) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.progress = progress
    self.report = report
    self.remark = remark
  }

  private mutating func problem(_ finding: Finding) {
    summary.problemCount += 1
    report(finding)
  }

  private mutating func run() throws(LSMError) {
    let files = try StoreFiles(fileSystem, directory: directory)
    if files.isEmpty {
      throw .absent(FileName.current.path(in: directory))
    }
    var outcome: ManifestReader.Outcome?
    do throws(LSMError) {
      outcome = try ManifestReader.look(fileSystem, directory: directory)
    } catch {
      if case .changing = error { throw error }
      problem(Finding(error, in: Self.name(error) ?? .current))
      remark("without a manifest every table and log in the directory is read")
    }
    let tables =
      outcome?.state.added.map { ($0.table.number, Optional($0.table)) }
      ?? files.tables.map { ($0, nil) }
    for finding in LevelOrder.findings(outcome?.state.added ?? []) { problem(finding) }
    totalBytes =
      outcome?.state.added.reduce(0) { $0 + $1.table.fileBytes }
      ?? size(of: files.tables)
    for (number, metadata) in tables { try verifyTable(number, metadata) }
    try verifyLogs(outcome)
    if summary.problemCount == 0 { try countRecords() }
  }

  /// Reads the store once more, as a reader of it does.
  private mutating func countRecords() throws(LSMError) {
    var options = TreeOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    options.cacheSizeBytes = 8 << 20
    do throws(LSMError) {
      let tree = try LSMTree.open(fileSystem, directory: directory, options: options)
      let expected = tree.trouble == nil ? summary.entryCount + summary.recordCount : 0
      var count: UInt64 = 0
      let progress = progress
      let result = Result { () throws(LSMError) in
        try [].withBytes { (lower) throws(LSMError) in
          try tree.scan(
            from: lower, upTo: nil, descending: false, limit: .max, snapshot: nil,
            tier: .anyWithoutFilling
          ) { _, _ in
            count += 1
            if count % 4096 == 0 {
              progress(
                ToolProgress(
                  what: "counting records", doneBytes: min(count, expected), totalBytes: expected))
            }
            return true
          }
        }
      }
      try tree.close()
      _ = try result.get()
      summary.liveRecordCount = count
    } catch {
      if case .changing = error { throw error }
      problem(Finding(error, in: Self.name(error) ?? .current))
    }
  }

  /// The file that an error is about.
  private static func name(_ error: LSMError) -> FileName? {
    let path: String
    switch error {
    case .corruption(let damage): path = damage.path
    case .io(let failure), .notFound(let failure): path = failure.path
    case .unsupportedFormat(let named, _): path = named
    default: return nil
    }
    return FileName(path.split(separator: "/").last.map(String.init) ?? "")
  }

  private func size(of tables: [FileNumber]) -> UInt64 {
    var bytes: UInt64 = 0
    for number in tables {
      do throws(LSMError) {
        let file = try fileSystem.open(FileName.table(number).path(in: directory))
        bytes += file.size
        file.close()
      } catch {
        // What cannot be opened is reported when its turn comes.
      }
    }
    return bytes
  }

  /// Whether the manifest names the file now: a running server may have given it up.
  private func isStillNeeded(_ isNeeded: (VersionEdit) -> Bool) -> Bool {
    do throws(LSMError) {
      return isNeeded(try ManifestReader.look(fileSystem, directory: directory).state)
    } catch .changing {
      return false
    } catch {
      return true
    }
  }

  // MARK: - Tables

  private mutating func verifyTable(
    _ number: FileNumber, _ metadata: TableMetadata?
  ) throws(LSMError) {
    let name = FileName.table(number)
    let parts: TableParts
    do throws(LSMError) {
      parts = try TableParts(fileSystem, directory: directory, number, metadata: metadata)
    } catch {
      if case .notFound = error,
        !isStillNeeded({ $0.added.contains { $0.table.number == number } })
      {
        remark(
          "\(name) was removed meanwhile by a running server; its successors are newer than this look"
        )
        return
      }
      problem(Finding(error, in: name))
      return
    }
    var check = TableCheck(parts, metadata)
    let begin = doneBytes
    var read: UInt64 = 0
    try check.run { bytes in
      read += bytes
      progress(
        ToolProgress(
          what: name.description, doneBytes: begin + min(read, parts.fileBytes),
          totalBytes: totalBytes))
    }
    doneBytes = begin + parts.fileBytes
    for finding in check.findings { problem(finding) }
    if check.isIntact, let metadata { try verifyOpen(metadata) }
    summary.tableCount += 1
    summary.tableBytes += parts.fileBytes
    summary.entryCount += check.seen.entryCount
    summary.rangeTombstoneCount += check.seen.rangeTombstoneCount
  }

  /// What looks whole must open as the engine opens it.
  private mutating func verifyOpen(_ metadata: TableMetadata) throws(LSMError) {
    do throws(LSMError) {
      _ = try TableFile(
        metadata, fileSystem, directory: directory, cache: BlockCache(capacityBytes: 0),
        obsolete: ObsoleteFiles())
    } catch {
      if case .corruption(let damage) = error, damage.kind == .missing { return }
      problem(Finding(error, in: .table(metadata.number)))
    }
  }

  // MARK: - Logs

  private mutating func verifyLogs(_ outcome: ManifestReader.Outcome?) throws(LSMError) {
    let first = outcome?.state.logNumber ?? 0
    let chain: LogChain
    do throws(LSMError) {
      chain = try LogChain.look(
        fileSystem, directory: directory, store: outcome?.current.store, from: first,
        before: outcome?.state.nextFileNumber.beyondAllOwn)
    } catch {
      if case .changing = error { throw error }
      problem(Finding(error, in: Self.name(error) ?? .log(first)))
      return
    }
    var isDamaged = false
    for log in chain.logs {
      if case .notFound? = log.damage, !isStillNeeded({ $0.logNumber <= log.number }) {
        remark("\(log.name) was removed meanwhile by a running server")
        return
      }
      if let finding = log.finding {
        problem(finding)
        isDamaged = true
      }
      summary.logCount += 1
      summary.recordCount += log.recordCount
    }
    guard let outcome, !isDamaged else { return }
    // Each log for itself is whole; now as recovery reads them.
    do throws(LSMError) {
      try LookingAgain.until(directory) { () throws(LSMError) in
        _ = try LogRecovery.replay(
          fileSystem, directory: directory, store: outcome.current.store,
          from: first == 0 ? nil : first, before: outcome.state.nextFileNumber.beyondAllOwn,
          isReadOnly: true
        ) { (_, _) throws(LSMError) in }
      }
    } catch {
      if !isStillNeeded({ $0.logNumber <= first }) {
        remark("the logs were changed meanwhile by a running server")
        return
      }
      problem(Finding(error, in: Self.name(error) ?? .log(first)))
    }
  }
}
