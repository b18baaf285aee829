package import Bytes
package import Engine
import Schema

// SAFETY: requests are lent until the return; a list of commands copies what is queued. A writer is not changed while
// its bytes are read.

/// Writes to a model with indexes: checked here, with the entries that they will have, and executed on the commit
/// thread.
extension ModelStore {
  /// A record with its key and its new entries.
  private struct Prepared: ~Copyable {
    var key = ByteWriter()
    var entries = EntryList()
    var slots = RecordSlots()
  }

  /// Checks a record, and finds its key and its entries.
  @safe
  private func prepare(
    _ record: UnsafeRawBufferPointer, _ indexes: ModelIndexes, _ prepared: inout Prepared
  ) throws(WriteError) {
    prepared.key.removeAll()
    prepared.entries.removeAll()
    do throws(RecordError) {
      try appendKey(ofUnchecked: record, to: &prepared.key)
    } catch {
      throw .record(error)
    }
    do throws(IndexEntryError) {
      try unsafe indexes.append(
        record, key: prepared.key.bytes, &prepared.slots, to: &prepared.entries)
    } catch {
      throw .index(error)
    }
  }

  /// Checks a record, and appends its key.
  @safe
  func appendKey(
    ofUnchecked record: UnsafeRawBufferPointer, to key: inout ByteWriter
  ) throws(RecordError) {
    if let keyPlan { return try appendKey(of: record, keyPlan, to: &key) }
    let range = try plan.checkRecord(record, model: model)
    unsafe key.append(UnsafeRawBufferPointer(rebasing: record[range]))
  }

  @safe
  func indexedPut(
    _ record: UnsafeRawBufferPointer, _ ticket: CommitTicket, _ indexes: ModelIndexes
  ) throws(WriteError) -> Bool {
    var prepared = Prepared()
    try prepare(record, indexes, &prepared)
    let byteCount = record.count + prepared.key.count + prepared.entries.bytes.count
    return commits.enqueueCommands(ticket, of: self, byteCount: byteCount) { list in
      unsafe list.put(key: prepared.key.bytes, record: record, prepared.entries)
    }
  }

  @safe
  func indexedPut(
    _ record: UnsafeRawBufferPointer, _ ticket: CommitTicket, _ indexes: ModelIndexes,
    in group: CommitGroup
  ) throws(WriteError) {
    var prepared = Prepared()
    try prepare(record, indexes, &prepared)
    let list = group.beginCommands(ticket, of: self)
    unsafe list.put(key: prepared.key.bytes, record: record, prepared.entries)
  }

  /// The records of a list are gathered before the queue is locked.
  @safe
  func indexedBatchPut(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket, _ indexes: ModelIndexes
  ) throws(RecordBatchError) -> Bool? {
    let gathered = CommandList()
    try append(list, ticket, indexes, to: gathered)
    guard !gathered.isEmpty else { return nil }
    return commits.enqueueCommands(
      ticket, of: self, byteCount: gathered.bytes.count
    ) { $0.appendWrites(of: gathered) }
  }

  @safe
  func indexedBatchPut(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket, _ indexes: ModelIndexes,
    in group: CommitGroup
  ) throws(RecordBatchError) -> Bool {
    let gathered = CommandList()
    try append(list, ticket, indexes, to: gathered)
    guard !gathered.isEmpty else { return false }
    group.beginCommands(ticket, of: self).appendWrites(of: gathered)
    return true
  }

  @safe
  private func append(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket, _ indexes: ModelIndexes,
    to commands: CommandList
  ) throws(RecordBatchError) {
    var prepared = Prepared()
    var (count, entryBytes) = (0, 0)
    do throws(WriteError) {
      var reader = unsafe RecordBatchReader(list, messageIndex: model.listMessageIndex)
      while let record = try unsafe next(&reader) {
        try prepare(record, indexes, &prepared)
        if count == 0 { commands.begin(ticket, of: self) }
        unsafe commands.put(key: prepared.key.bytes, record: record, prepared.entries)
        count += 1
        entryBytes += prepared.entries.bytes.count
        guard entryBytes <= IndexPlan.maximumEntryBytes else { throw WriteError.tooLarge }
      }
      do throws(RecordError) { try refuseEtags(reader) } catch { throw .record(error) }
    } catch {
      throw RecordBatchError(index: count, error: error)
    }
  }

  private func next(
    _ reader: inout RecordBatchReader
  ) throws(WriteError) -> UnsafeRawBufferPointer? {
    do throws(RecordError) {
      return try unsafe reader.next()
    } catch {
      throw .record(error)
    }
  }

  // MARK: - Deletes

  /// Queues the deletion of the records of a source, with their entries.
  func indexedDelete(_ source: RecordSource, _ ticket: CommitTicket) -> Bool {
    let gathered = CommandList()
    gathered.begin(ticket, of: self)
    append(source, to: gathered)
    return commits.enqueueCommands(
      ticket, of: self, byteCount: gathered.bytes.count
    ) { $0.appendWrites(of: gathered) }
  }

  func indexedDelete(_ source: RecordSource, _ ticket: CommitTicket, in group: CommitGroup) {
    append(source, to: group.beginCommands(ticket, of: self))
  }

  private func append(_ source: RecordSource, to commands: CommandList) {
    switch source {
    case .range(let range): appendRange(range, to: commands)
    case .ranges(let ranges): for range in ranges { appendRange(range, to: commands) }
    case .keys(let keys):
      keys.visit { key in
        unsafe key.withUnsafeBytes { key in
          unsafe commands.delete(key: UnsafeRawBufferPointer(rebasing: key[KeyPrefix.byteCount...]))
        }
      }
    }
  }

  private func appendRange(_ range: KeyRange, to commands: CommandList) {
    guard let upper = range.upper else { preconditionFailure("a range of a model has an end") }
    commands.deleteRange(lower: range.lower, upper: upper)
  }

  /// Queues the deletion of the records that a query by all columns of a unique index names.
  ///
  /// - Parameter place: of the index in the model.
  /// - Returns: as ``put(_:_:)``.
  @safe
  package func delete(
    byIndex place: Int, _ request: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(QueryError) -> Bool {
    let gathered = CommandList()
    gathered.begin(ticket, of: self)
    try appendDelete(byIndex: place, request, to: gathered)
    return commits.enqueueCommands(
      ticket, of: self, byteCount: gathered.bytes.count
    ) { $0.appendWrites(of: gathered) }
  }

  /// The same for a long request.
  @safe
  package func delete(
    byIndex place: Int, _ request: UnsafeRawBufferPointer, _ ticket: CommitTicket,
    in group: CommitGroup
  ) throws(QueryError) {
    let list = group.beginCommands(ticket, of: self)
    try appendDelete(byIndex: place, request, to: list)
  }

  @safe
  private func appendDelete(
    byIndex place: Int, _ request: UnsafeRawBufferPointer, to commands: CommandList
  ) throws(QueryError) {
    let index = try readyIndex(place)
    let query = try index.plan.columns.parseQuery(request, prefix: index.plan.prefix)
    try query.options.refuseForDelete()
    guard query.namesOneOfEach else {
      throw .deleteNeedsAllColumns(index: index.plan.index.name)
    }
    // A value that is longer than any entry is no record's.
    guard case .keys(let keys) = query.source else { return }
    keys.visit { commands.delete(byEntry: Array($0), ofIndex: place) }
  }

  // MARK: - Reading

  /// An index that reads may use.
  func readyIndex(_ place: Int) throws(QueryError) -> OpenIndex {
    guard let index = indexes?.all[place] else {
      preconditionFailure("the model has this index")
    }
    guard !index.isReady else { return index }
    let name = index.plan.index.name
    switch index.state {
    case .ready: return index
    case .building(let done, let total):
      throw .indexBuilding(index: name, done: done, total: total)
    case .failed(let reasons): throw .indexFailed(index: name, reasons: reasons)
    }
  }

  /// Appends the stored key of the entry that a query by an index names, when the index is unique and the query has an
  /// `eq` for each column and nothing else.
  ///
  /// - Parameter place: of the index in the model.
  /// - Returns: whether it does; else some bytes may be appended.
  @safe
  package func appendEntryKey(
    byIndex place: Int, _ request: UnsafeRawBufferPointer, to key: inout ByteWriter
  ) throws(QueryError) -> Bool {
    let plan = try readyIndex(place).plan
    guard plan.index.isUnique else { return false }
    plan.prefix.fixed.append(to: &key)
    var options = QueryOptions()
    let count = plan.columns.appendExact(request, to: &key, &options)
    return count == plan.columns.columns.count && options.isPlain
  }

  /// How a look-up by an entry ended.
  package enum EntryOutcome: Sendable {
    case found
    case absent
    /// What it needs is not where the tier may look.
    case wouldBlock
    /// Something was written meanwhile, or the entry is damaged: ``scan(byIndex:_:_:isStream:)`` tells.
    case unsettled
  }

  /// Looks an entry of a unique index up, then its record, and appends that in its list. Both are of one moment, for
  /// which no snapshot is taken.
  ///
  /// - Parameters:
  ///   - key: as it is stored.
  ///   - response: is as it was unless there is a record.
  @safe
  package func point(
    ofEntry key: UnsafeRawBufferPointer, byIndex place: Int, tier: ReadTier,
    into response: inout ByteWriter
  ) throws(EngineError) -> EntryOutcome {
    guard let plan = indexes?.all[place].plan else {
      preconditionFailure("the model has this index")
    }
    let sequence = try engine.lastSequence()
    var owner = ByteWriter()
    switch try engine.get(
      key, snapshot: nil, tier: tier,
      { value in
        guard let holder = plan.holder(value) else { return }
        prefix.fixed.append(to: &owner)
        owner.append(holder)
      })
    {
    case .found: break
    case .absent: return .absent
    case .wouldBlock: return .wouldBlock
    }
    guard owner.count > 0 else { return .unsettled }
    let start = response.count
    var isPast = false
    let outcome = try unsafe engine.get(owner.bytes, snapshot: nil, tier: tier) {
      if let expiry, expiry.hasPassed($0) {
        isPast = true
        return
      }
      Self.append($0, as: .inList, to: &response)
    }
    if outcome == .found, try engine.lastSequence() == sequence {
      return isPast ? .absent : .found
    }
    response.truncate(to: start)
    return outcome == .wouldBlock ? .wouldBlock : .unsettled
  }

  /// The records that a query by an index names, ready to be read.
  ///
  /// - Parameter place: of the index in the model.
  @safe
  package func scan(
    byIndex place: Int, _ request: UnsafeRawBufferPointer, _ limits: AnswerLimits,
    isStream: Bool = false
  ) throws(QueryError) -> RecordScan {
    let index = try readyIndex(place)
    let query = try index.plan.columns.parseQuery(request, prefix: index.plan.prefix)
    if isStream { try query.options.refuseForStream() }
    return try scan(query.source, query.options, of: request, limits, by: index)
  }
}
