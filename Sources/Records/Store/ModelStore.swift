package import Bytes
package import Engine
package import Schema

// SAFETY: requests, and the views that were made of them, are lent until the return: a batch copies what is queued. The
// range of a key lies in the record it was found in. A writer is not changed while its bytes are hashed.

/// The records of one model: reads and writes by its access plan, which is resolved once when the database opens.
///
/// Thread-safety: constant; any thread.
package final class ModelStore: Sendable {
  /// The list's field for records (`repeated Dog dogs = 1`), and those that an answer has beside it.
  enum ListField {
    static let records = 1
    static let nextPageToken = 2
    static let count = 3
    static let etags = 4
  }

  /// The one whose records these are.
  package let model: Model
  /// Kind and permanent id: the first bytes of every key of the model.
  package let prefix: KeyPrefix
  /// By which records are checked before they are stored.
  package let plan: RecordPlan
  /// How keys are made of columns; nil when a key is one string as it is.
  package let keyPlan: KeyPlan?
  /// Whether there is a ``keyPlan``: asked on the path of each call, which copies no plan for it.
  package let hasColumns: Bool
  /// Whether a change of the model has the record as it was before.
  let keepsOldRecords: Bool
  /// Whether a change depends on the record as it was before.
  let needsOldRecords: Bool
  /// nil when no record of the model ends by itself.
  package let expiry: RecordExpiry?
  /// nil for a model without indexes, whose writes need not be executed.
  package let indexes: ModelIndexes?
  let engine: any StorageEngine
  /// Of all models.
  package let cache: RecordCache
  let commits: CommitQueue
  /// Under the identity of the database.
  let hash: SipHash
  /// Of the key's fields.
  let keyFieldNumbers: [UInt32]
  let updateMasks = UpdateMasks()

  /// - Parameter modelID: as the catalogue gave it.
  package init(
    model: Model, modelID: UInt32, indexes: ModelIndexes? = nil, plan: RecordPlan,
    engine: any StorageEngine, cache: RecordCache, commits: CommitQueue, identity: StoreIdentity
  ) {
    self.model = model
    prefix = KeyPrefix(.record, model: modelID)
    self.plan = plan
    keyPlan = model.hasPlainKey ? nil : KeyPlan(model.key)
    hasColumns = keyPlan != nil
    self.indexes = indexes
    self.engine = engine
    self.cache = cache
    self.commits = commits
    keepsOldRecords = model.watch?.hasOld ?? false
    needsOldRecords = keepsOldRecords || model.watch != nil && model.expiry != nil
    expiry = model.expiry.map { RecordExpiry($0, clock: commits.clock) }
    hash = SipHash(key: identity.halves)
    keyFieldNumbers = model.key.columns.map(\.number)
  }

  // MARK: - Reading one record

  /// What a point read appends to its answer.
  package enum PointAnswer: Sendable {
    /// The record in its list: tag and length of the list's field, then the stored bytes.
    case inList
    /// The stored bytes alone.
    case alone
  }

  /// Looks the record under `key` up and appends it, byte for byte as it is stored.
  ///
  /// - Parameter tier: but with `any` it never waits for the disk, and may answer `wouldBlock`.
  @safe
  package func point(
    _ key: UnsafeRawBufferPointer, _ answer: PointAnswer, tier: ReadTier,
    into response: inout ByteWriter
  ) throws(EngineError) -> ReadOutcome {
    var result = Result<ReadOutcome, EngineError>.success(.absent)
    prefix.withKey(key) { storedKey in
      do throws(EngineError) {
        var isPast = false
        let outcome = try engine.get(storedKey, snapshot: nil, tier: tier) {
          if let expiry, expiry.hasPassed($0) {
            isPast = true
            return
          }
          Self.append($0, as: answer, to: &response)
        }
        result = .success(isPast ? .absent : outcome)
      } catch {
        result = .failure(error)
      }
    }
    return try result.get()
  }

  /// How a look-up ended that asked the cache first.
  package enum CachedOutcome: Sendable {
    case cached
    case read(ReadOutcome)
    /// It is not cached, and the engine was not to be asked.
    case notTried
  }

  /// The same with the cache asked first, which is offered what the engine has.
  ///
  /// - Parameter tier: nil asks the cache alone.
  @safe
  package func cachedPoint(
    _ key: UnsafeRawBufferPointer, _ answer: PointAnswer, tier: ReadTier?,
    into response: inout ByteWriter
  ) throws(EngineError) -> CachedOutcome {
    var result = Result<CachedOutcome, EngineError>.success(.notTried)
    prefix.withKey(key) { storedKey in
      do throws(EngineError) {
        var isPast = false
        let ticket = cache.lookUp(storedKey) {
          if let expiry, expiry.hasPassed($0) {
            isPast = true
            return
          }
          Self.append($0, as: answer, to: &response)
        }
        guard let ticket else {
          result = .success(isPast ? .read(.absent) : .cached)
          return
        }
        guard let tier else { return }
        let outcome = try engine.get(storedKey, snapshot: nil, tier: tier) {
          if let expiry, expiry.hasPassed($0) {
            isPast = true
            return
          }
          Self.append($0, as: answer, to: &response)
          if case .pageCache = tier { cache.offer(storedKey, $0, ticket) }
        }
        result = .success(.read(isPast ? .absent : outcome))
      } catch {
        result = .failure(error)
      }
    }
    return try result.get()
  }

  /// Appends a record that was looked up to an answer.
  @safe
  @inline(__always)
  package static func append(
    _ record: UnsafeRawBufferPointer, as answer: PointAnswer, to response: inout ByteWriter
  ) {
    switch answer {
    case .inList: response.appendField(ListField.records, record)
    case .alone: response.append(record)
    }
  }

  // MARK: - Reading several

  /// The records that a query names, ready to be read.
  ///
  /// - Parameter request: the bytes that `query` was parsed from.
  /// - Throws: when mask, page token or the combination of fields is not to be had.
  @safe
  package func scan(
    _ query: RecordQuery, of request: UnsafeRawBufferPointer, _ limits: AnswerLimits
  ) throws(QueryError) -> RecordScan {
    try scan(source(of: query.expression), query.options, of: request, limits)
  }

  /// - Parameter request: the bytes that the options were parsed from.
  @safe
  func scan(
    _ source: RecordSource, _ options: QueryOptions, of request: UnsafeRawBufferPointer,
    _ limits: AnswerLimits, by index: OpenIndex? = nil
  ) throws(QueryError) -> RecordScan {
    if options.isPlain && !limits.isPaged {
      return RecordScan(
        store: self, source: source, isDescending: false, form: .records, limits: limits,
        reading: index.map { IndexReading($0, source, .records, ends: expiry != nil) })
    }
    if options.isCountOnly {
      if options.pageSize != 0 { throw .countWith(QueryOptions.Field.pageSize.name) }
      if unsafe !options.pageToken.isEmpty { throw .countWith(QueryOptions.Field.pageToken.name) }
    }
    var mask: MaskTree?
    if options.hasMask {
      var parts: [UnsafeRawBufferPointer] = unsafe []
      visitMaskParts(of: request) { unsafe parts.append($0) }
      mask = try MaskTree.compile(parts, message: model.messageIndex, plan: plan)
    }
    let asked = source
    var source = source
    let isDescending = options.order == 1
    var limits = limits
    var queryHash: UInt64 = 0
    if unsafe options.pageSize != 0 || !options.pageToken.isEmpty || limits.isPaged {
      queryHash = self.queryHash(source, isDescending: isDescending)
    }
    if options.pageSize != 0 { limits.take(pageSize: Int(options.pageSize)) }
    if unsafe !options.pageToken.isEmpty {
      let last = try PageToken.lastKey(of: options.pageToken, query: queryHash, hash: hash)
      source.skip(
        to: (index?.plan.prefix ?? prefix).key(last), isDescending: isDescending)
    }
    let form: RecordScan.Form =
      options.isCountOnly
      ? .count
      : mask == nil && !options.hasEtags
        ? .records : .shaped(RecordShape(mask: mask, etagHash: options.hasEtags ? hash : nil))
    return RecordScan(
      store: self, source: source, isDescending: isDescending, form: form, limits: limits,
      queryHash: queryHash,
      reading: index.map { IndexReading($0, asked, form, ends: expiry != nil) })
  }

  /// A hash of which records are asked for and in which order, under the database's identity.
  private func queryHash(_ source: RecordSource, isDescending: Bool) -> UInt64 {
    var writer = ByteWriter()
    writer.append(isDescending ? 1 : 0)
    source.appendCanonicalBytes(to: &writer)
    return unsafe hash.hash(writer.bytes)
  }

  /// The keys that an expression names, which never leave the model.
  func source(of expression: KeyExpression) -> RecordSource {
    switch expression {
    case .eq(let key): .keys(StoredKeys(prefix.key(key)))
    case .in(let list): .keys(StoredKeys(list, prefix: prefix))
    default: .range(range(of: expression))
    }
  }

  /// - Precondition: the expression is neither a key nor a list of them.
  private func range(of expression: KeyExpression) -> KeyRange {
    switch expression {
    case .gte(let key): prefix.atLeast(key)
    case .lte(let key): prefix.atMost(key)
    case .beginsWith(let key): prefix.beginning(with: key)
    case .gt(let key): prefix.range(lower: key, isIncluded: false)
    case .lt(let key): prefix.range(upper: key, isIncluded: false)
    case .range(let lower, let upper):
      KeyRange(
        lower: lower.map { prefix.range(lower: $0.key, isIncluded: $0.isIncluded).lower }
          ?? prefix.all.lower,
        upper: upper.map { prefix.range(upper: $0.key, isIncluded: $0.isIncluded).upper }
          ?? prefix.all.upper)
    case .eq, .in: preconditionFailure("keys are no range")
    }
  }

  // MARK: - Writing

  /// Queues one record, byte for byte as it came.
  ///
  /// - Returns: false when the queue takes no more; nothing is stored then.
  /// - Throws: when the bytes are no record of the model.
  @safe
  package func put(
    _ record: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(WriteError) -> Bool {
    if let indexes { return try indexedPut(record, ticket, indexes) }
    let key: UnsafeRawBufferPointer
    do throws(RecordError) {
      if hasColumns { return try columnPut(record, ticket) }
      let keyBytes = try plan.checkRecord(record, model: model)
      unsafe key = UnsafeRawBufferPointer(rebasing: record[keyBytes])
    } catch {
      throw .record(error)
    }
    return commits.enqueue(ticket, byteCount: record.count + key.count) {
      $0.put(key, prefix: prefix.fixed, value: record)
    }
  }

  /// Queues all records of a list message, to be stored together. Of several with the same key the last one stays.
  ///
  /// - Returns: as ``put(_:_:)``; nil when the list is empty and there is nothing to wait for.
  /// - Throws: when one is no record of the model; nothing is stored then.
  @safe
  package func batchPut(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(RecordBatchError) -> Bool? {
    if let indexes { return try indexedBatchPut(list, ticket, indexes) }
    if hasColumns { return try columnBatchPut(list, ticket) }
    var records: [(record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer)] = unsafe []
    var byteCount = 0
    do throws(RecordError) {
      var reader = unsafe RecordBatchReader(list, messageIndex: model.listMessageIndex)
      while let record = try unsafe reader.next() {
        let key = unsafe UnsafeRawBufferPointer(
          rebasing: record[try plan.checkRecord(record, model: model)])
        unsafe records.append((record, key))
        byteCount += record.count + key.count
      }
      try refuseEtags(reader)
    } catch {
      throw unsafe RecordBatchError(index: records.count, error: .record(error))
    }
    guard unsafe !records.isEmpty else { return nil }
    return commits.enqueue(ticket, byteCount: byteCount) { batch in
      for index in unsafe records.indices {
        let (record, key) = unsafe records[index]
        batch.put(key, prefix: prefix.fixed, value: record)
      }
    }
  }

  /// Queues the deletion of the records that a query names: atomic, and without reading them.
  ///
  /// - Returns: as ``put(_:_:)``.
  /// - Throws: when the query asks for more than a deletion can give.
  package func delete(_ query: RecordQuery, _ ticket: CommitTicket) throws(QueryError) -> Bool {
    try query.options.refuseForDelete()
    if indexes != nil { return indexedDelete(source(of: query.expression), ticket) }
    let byteCount =
      switch query.expression {
      case .eq(let key): key.count
      case .in(let list): list.byteCount
      case let expression: 2 * range(of: expression).lower.count
      }
    return commits.enqueue(ticket, byteCount: byteCount) { delete(query.expression, in: $0) }
  }

  private func delete(_ expression: KeyExpression, in batch: WriteBatch) {
    switch expression {
    case .eq(let key): batch.delete(key, prefix: prefix.fixed)
    case .in(let list): list.visit { batch.delete($0, prefix: prefix.fixed) }
    case let expression: batch.deleteRange(range(of: expression))
    }
  }

  // MARK: - Writing what takes long to check

  /// Takes a place in the queue for a long write, see ``CommitQueue/enqueueLong(_:byteCount:_:)``, whose changes come
  /// from the calls below.
  package func enqueueLong(
    _ ticket: CommitTicket, byteCount: Int, _ make: @escaping @Sendable (CommitGroup) -> Bool
  ) -> Bool {
    commits.enqueueLong(ticket, byteCount: byteCount, make)
  }

  /// Appends what ``put(_:_:)`` queues.
  @safe
  package func put(
    _ record: UnsafeRawBufferPointer, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(WriteError) {
    if let indexes { return try indexedPut(record, ticket, indexes, in: group) }
    do throws(RecordError) {
      try put(record, in: group.batch)
    } catch {
      throw .record(error)
    }
  }

  @safe
  private func put(_ record: UnsafeRawBufferPointer, in batch: WriteBatch) throws(RecordError) {
    if hasColumns { return try columnPut(record, in: batch) }
    let key = unsafe UnsafeRawBufferPointer(
      rebasing: record[try plan.checkRecord(record, model: model)])
    batch.put(key, prefix: prefix.fixed, value: record)
  }

  /// Appends what ``batchPut(_:_:)`` queues. When it throws, some records may have been appended.
  ///
  /// - Returns: whether there is anything to commit.
  @safe
  package func batchPut(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(RecordBatchError) -> Bool {
    if let indexes { return try indexedBatchPut(list, ticket, indexes, in: group) }
    let batch = group.batch
    do throws(RecordError) {
      var reader = unsafe RecordBatchReader(list, messageIndex: model.listMessageIndex)
      while let record = try unsafe reader.next() { try put(record, in: batch) }
      try refuseEtags(reader)
    } catch {
      throw RecordBatchError(index: batch.count, error: .record(error))
    }
    return !batch.isEmpty
  }

  /// Appends what ``delete(_:_:)`` queues.
  package func delete(
    _ query: RecordQuery, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(QueryError) {
    try query.options.refuseForDelete()
    if indexes != nil {
      return indexedDelete(source(of: query.expression), ticket, in: group)
    }
    delete(query.expression, in: group.batch)
  }

  func refuseEtags(_ reader: RecordBatchReader) throws(RecordError) {
    guard reader.hasSkipped(ListField.etags) else { return }
    throw RecordError(
      .notForWrites, offset: 0, messageIndex: model.listMessageIndex,
      fieldNumber: UInt32(ListField.etags))
  }
}

/// Why a list of records is refused.
package struct RecordBatchError: Error, Equatable, Sendable {
  /// The place in the list of the record that is wrong.
  package let index: Int
  /// What is wrong with it. An offset is in the record.
  package let error: WriteError
}
