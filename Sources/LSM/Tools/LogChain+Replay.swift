extension LogChain {
  /// Reads the logs from `first` on without changing anything, also beside a running server.
  ///
  /// A log that is written to meanwhile may look damaged for a moment, when a later part of it is newer than an
  /// earlier one that was read before: only what two looks find alike is damage.
  ///
  /// - Parameter limit: logs from this number on are not the store's own; nil: all are.
  /// - Throws: ``LSMError/changing(path:)``, and as init.
  static func look(
    _ fileSystem: any FileSystem, directory: String, store: StoreID?, from first: FileNumber,
    before limit: FileNumber? = nil
  ) throws(LSMError) -> LogChain {
    func read() throws(LSMError) -> LogChain {
      let logs = try StoreFiles(fileSystem, directory: directory).logs
      return try LogChain(
        fileSystem, directory: directory, store: store,
        numbers: logs.filter { number in limit.map { number < $0 } ?? true }, from: first,
        isReadOnly: true)
    }
    var chain = try read()
    for attempt in 1..<LookingAgain.tries {
      let damage = chain.logs.compactMap(\.damage)
      if damage.isEmpty { return chain }
      LookingAgain.pause(before: attempt)
      let next = try read()
      let isSame = next.logs.compactMap(\.damage) == damage
      chain = next
      if isSame { return chain }
    }
    guard chain.logs.contains(where: { $0.damage != nil }) else { return chain }
    throw .changing(path: directory)
  }

  /// Which records of the logs go into a repaired store.
  struct Selection {
    /// Indexes of `logs`. The last one may be read up to its damage only.
    var replayed: Range<Int> = 0..<0
    /// Where the order of changes breaks off, and what is after that.
    var losses: [Finding] = []
  }

  /// Chooses the records that follow, without a hole, on what is in tables.
  ///
  /// Changes are kept in their order, so nothing after a hole is taken; but a hole of which tables have
  /// everything is none, and what is older than it is left out: the deletes inside it may have left no trace
  /// in the tables.
  ///
  /// - Parameter flushed: every change up to it is in tables.
  func selection(flushed: UInt64) -> Selection {
    let live = logs.indices.filter { !logs[$0].isIdle }
    guard let newest = live.last else { return Selection(replayed: logs.count..<logs.count) }
    var start = live[0]
    var end = newest + 1
    var breach: Finding? = logs[newest].finding
    for (place, index) in live.enumerated().reversed() {
      let log = logs[index]
      guard let header = log.header else {
        // All of it is lost.
        end = index
        breach = log.finding ?? breach
        continue
      }
      guard let before = header.predecessor else {
        start = index
        break
      }
      let older = place > 0 ? logs[live[place - 1]] : nil
      if let older, older.number == before.number, older.damage == nil { continue }
      if before.lastSequence <= flushed {
        start = index
        break
      }
      end = index
      if let older, older.number == before.number, let finding = older.finding {
        breach = finding
      } else {
        let isThere = logs.contains { $0.number == before.number }
        let what = isThere ? "\(LogFormat.headerIsAbsent)" : "the log is missing"
        breach = Finding(.log(before.number), "\(what), and \(log.name) follows it")
      }
      if place == 0 { start = index }
    }
    var range = min(start, end)..<end
    // All in tables: and what came after it there may have left no trace.
    if let last = range.last, logs[last].lastSequence <= flushed { range = end..<end }
    guard let breach else { return Selection(replayed: range) }
    let kept = max(flushed, range.last.map { logs[$0].lastSequence } ?? 0)
    let known = live.map { logs[$0].lastSequence }.max() ?? 0
    let through = known > kept ? "; changes up to \(known) are known to have been written" : ""
    return Selection(
      replayed: range,
      losses: [
        Finding(
          breach.file, at: breach.offset,
          "\(breach.what); the changes from sequence number \(kept + 1) on are lost\(through)")
      ])
  }

  /// Reads the records of a selection again.
  func replay(
    _ selection: Selection, _ fileSystem: any FileSystem, directory: String, store: StoreID,
    _ visit: (FileNumber, LogReader.Record, BatchReader.Summary) throws(LSMError) -> Void
  ) throws(LSMError) {
    for index in selection.replayed where logs[index].header != nil {
      let log = logs[index]
      let successor = logs.first { $0.header?.predecessor?.number == log.number }
      _ = try Self.read(
        fileSystem, directory, log.number, store,
        successor?.header?.predecessor.map { .at($0) } ?? .open, visit)
    }
  }
}
