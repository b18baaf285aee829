extension StoreRepair {
  /// Notes that a table is lost as a whole.
  mutating func lose(_ source: Source, _ why: String) {
    let name = FileName.table(source.number)
    report.lostTableCount += 1
    guard let metadata = source.metadata else {
      report.losses.append(
        Finding(name, "\(why): it was never finished, or all that was in it is lost"))
      report.lostRanges.append(.init(lower: nil, upper: nil))
      return
    }
    var what = "\(why): \(Self.count(metadata.entryCount, "entry", "entries"))"
    if metadata.rangeTombstoneCount > 0 {
      what +=
        " and \(Self.count(metadata.rangeTombstoneCount, "range tombstone", "range tombstones"))"
    }
    what +=
      " from \(KeyText.userKey(metadata.smallest, limit: Self.keyTextLimit)) to \(KeyText.userKey(metadata.largest, limit: Self.keyTextLimit)), sequence numbers "
      + "\(metadata.smallestSequence.rawValue) to \(metadata.largestSequence.rawValue), are lost"
    report.losses.append(Finding(name, what))
    report.lostRanges.append(
      .init(lower: Self.userKey(metadata.smallest), upper: Self.userKey(metadata.largest)))
  }

  private static func userKey(_ encoded: [UInt8]) -> [UInt8] {
    Array(encoded.dropLast(InternalKey.trailerBytes))
  }

  /// Long enough for any key of a record: a loss is named exactly.
  private static let keyTextLimit = 20_000

  /// Notes what of a damaged table cannot be saved.
  mutating func losses(of parts: TableParts, _ check: TableCheck, _ metadata: TableMetadata?) {
    let total = parts.properties?.entryCount ?? metadata?.entryCount
    let lost = total.map { $0 > check.seen.entryCount ? $0 - check.seen.entryCount : 0 }
    let smallest = (parts.properties?.smallest ?? metadata?.smallest).map(Self.userKey)
    let largest = (parts.properties?.largest ?? metadata?.largest).map(Self.userKey)
    for gap in check.gaps where lost != 0 {
      report.lostRanges.append(
        .init(lower: gap.lower ?? smallest, upper: gap.upper ?? largest))
      let lower =
        gap.lower.map { "after the key \(KeyText.readable($0, limit: Self.keyTextLimit))" }
        ?? "from the first key on"
      let upper =
        gap.upper.map { " and before \(KeyText.readable($0, limit: Self.keyTextLimit))" }
        ?? ", up to the last key,"
      let bytes = gap.byteCount > 0 ? "\(gap.byteCount) bytes of entries" : "whatever entries stood"
      report.losses.append(
        Finding(parts.name, at: gap.offset, "\(bytes) \(lower)\(upper) are lost"))
    }
    if let lost, lost > 0 {
      report.losses.append(
        Finding(
          parts.name,
          "\(Self.count(lost, "entry is", "entries are")) lost in all, of \(total ?? 0)"))
    }
    loseTombstones(of: parts, metadata)
  }

  private mutating func loseTombstones(of parts: TableParts, _ metadata: TableMetadata?) {
    let there = UInt64(parts.tombstones.count)
    let known = parts.properties?.rangeTombstoneCount ?? metadata?.rangeTombstoneCount
    if let known, known <= there { return }
    if known == nil, !parts.hasProblem(.footer), !parts.hasProblem(.rangeTombstones) { return }
    let what =
      known.map { "\(Self.count($0 - there, "range tombstone is", "range tombstones are")) lost" }
      ?? "it is not known whether it had range tombstones"
    report.losses.append(
      Finding(parts.name, "\(what): records that a range delete removed may come back"))
  }

  static func count(_ number: UInt64, _ one: String, _ many: String) -> String {
    "\(number) \(number == 1 ? one : many)"
  }

  /// Adds what an operator has to know of the losses as a whole.
  mutating func explain() {
    if state == nil, !sources.isEmpty {
      report.remarks.append(
        "without a manifest all tables count: records deleted long ago may come back, from tables that a "
          + "compaction had replaced and not yet removed")
    }
    let isTable = report.losses.contains { $0.file.hasSuffix(".table") }
    if isTable {
      report.remarks.append(
        "where entries are lost, an older state of their keys may show, deleted records among them")
    }
    if let remark = options.remark(report.lostRanges) { report.remarks.append(remark) }
  }

  // MARK: - Logs

  mutating func examineLogs() throws(LSMError) {
    let flushed =
      state?.flushedSequence ?? sources.map(\.largestSequence).max() ?? .zero
    let first = state?.logNumber ?? 0
    let chain = try LogChain(
      fileSystem, directory: directory, store: store, numbers: files.logs.filter { $0 < limit },
      from: first,
      isReadOnly: options.isDryRun)
    self.chain = chain
    selection = chain.selection(flushed: flushed.rawValue)
    report.problems += chain.logs.compactMap(\.finding)
    report.losses += selection.losses
    if let state { try checkRecovery(state, chain) }
    report.lastSequence = max(
      flushed.rawValue, selection.replayed.map { chain.logs[$0].lastSequence }.max() ?? 0)
  }

  /// Whether recovery would take the logs as they are.
  private mutating func checkRecovery(_ state: VersionEdit, _ chain: LogChain) throws(LSMError) {
    do throws(LSMError) {
      let outcome = try LogRecovery.replay(
        fileSystem, directory: directory, store: store,
        from: state.logNumber == 0 ? nil : state.logNumber, before: limit, isReadOnly: true
      ) { (_, _) throws(LSMError) in }
      if isClosed, let end = outcome.end, !outcome.isSealed {
        let what = "its end is missing, which it had when the store was closed"
        report.problems.append(Finding(.log(end.number), at: end.length, what))
        report.losses.append(
          Finding(
            .log(end.number), at: end.length,
            "\(what); the changes from sequence number \(max(end.lastSequence, state.flushedSequence.rawValue) + 1) on "
              + "are lost, if there were any"))
      }
    } catch .corruption(let damage) {
      let name = FileName(damage.path.split(separator: "/").last.map(String.init) ?? "")
      let finding = Finding(LSMError.corruption(damage), in: name ?? .log(state.logNumber))
      if !report.problems.contains(finding) { report.problems.append(finding) }
      if damage.kind == .missing || damage.kind == LogFormat.headerIsAbsent,
        !chain.logs.contains(where: { $0.header != nil })
      {
        report.losses.append(
          Finding(
            finding.file,
            "\(finding.what); the changes from sequence number \(state.flushedSequence.rawValue + 1) on are "
              + "lost, if there were any"))
      }
    }
  }
}
