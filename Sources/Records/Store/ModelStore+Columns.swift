package import Bytes
import Engine
import Schema

// SAFETY: requests are lent until the return; a batch copies what is queued. A writer is not changed while its bytes
// are read.

/// The same for a model whose key is made of columns: its keys are encoded, those of a plain one are in the record.
extension ModelStore {
  /// - Precondition: ``hasColumns``, as in all calls below.
  private var columns: KeyPlan {
    guard let keyPlan else { preconditionFailure("the key is made of columns") }
    return keyPlan
  }

  // MARK: - Reading

  /// The records that a `ByPk` names, ready to be read.
  @safe
  package func columnScan(
    _ request: UnsafeRawBufferPointer, _ limits: AnswerLimits, isStream: Bool = false
  ) throws(QueryError) -> RecordScan {
    let query = try columnQuery(request)
    if isStream { try query.options.refuseForStream() }
    return try scan(query.source, query.options, of: request, limits)
  }

  @safe
  private func columnQuery(_ request: UnsafeRawBufferPointer) throws(QueryError) -> ColumnQuery {
    try columns.columns.parseQuery(request, prefix: prefix)
  }

  /// The keys that a `ByPk` names, whose matches are all that it has.
  @safe
  func columnKeys(named request: UnsafeRawBufferPointer) throws(QueryError) -> RecordSource {
    let query = try columnQuery(request)
    try query.options.refuseForDelete()
    return query.source
  }

  /// Appends the key that a `ByPk` names, without its prefix, when it has an `eq` for each column and nothing else.
  ///
  /// - Returns: whether it does; else some bytes may be appended.
  @safe
  package func appendExactKey(
    _ request: UnsafeRawBufferPointer, to key: inout ByteWriter
  ) -> Bool {
    var options = QueryOptions()
    let count = columns.columns.appendExact(request, to: &key, &options)
    return count == columns.columns.columns.count && options.isPlain
  }

  /// The key that a `Key` message names, without its prefix.
  @safe
  package func columnKey(_ message: UnsafeRawBufferPointer) throws(QueryError) -> [UInt8] {
    do throws(ColumnError) {
      return try columns.key(message)
    } catch {
      let name = model.key.columns[error.column].name
      throw switch error.reason {
      case .unset: .badKeyColumn(name, .unset)
      case .empty: .badKeyColumn(name, .empty)
      case .outOfRange: .badKeyColumn(name, .outOfRange)
      case .tooLong(let count): .requestedKeyTooLong(count)
      case .malformed(let error): .malformedKey(error)
      case .unknownField(let number): .unsupportedIn(message: "Key", field: number)
      }
    }
  }

  // MARK: - Writing

  @safe
  func columnPut(
    _ record: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(RecordError) -> Bool {
    var key = ByteWriter(capacity: 64)
    try appendKey(of: record, columns, to: &key)
    let keyBytes = unsafe key.bytes
    return commits.enqueue(ticket, byteCount: record.count + keyBytes.count) {
      $0.put(keyBytes, prefix: prefix.fixed, value: record)
    }
  }

  @safe
  func columnPut(
    _ record: UnsafeRawBufferPointer, in batch: WriteBatch
  ) throws(RecordError) {
    var key = ByteWriter(capacity: 64)
    try appendKey(of: record, columns, to: &key)
    unsafe batch.put(key.bytes, prefix: prefix.fixed, value: record)
  }

  /// Checks a record and appends its key.
  @safe
  func appendKey(
    of record: UnsafeRawBufferPointer, _ keyPlan: KeyPlan, to writer: inout ByteWriter
  ) throws(RecordError) {
    try plan.checkFields(record, messageIndex: model.messageIndex)
    do throws(ColumnError) {
      try keyPlan.appendKey(of: record, to: &writer)
    } catch {
      throw recordError(error)
    }
  }

  private func recordError(_ error: ColumnError) -> RecordError {
    let reason: RecordError.Reason
    switch error.reason {
    case .unset, .unknownField: reason = .keyFieldMissing
    case .empty: reason = .keyEmpty
    case .outOfRange: reason = .keyOutOfRange
    case .tooLong: reason = .keyTooLong
    case .malformed(let error): return error
    }
    return RecordError(
      reason, offset: 0, messageIndex: model.messageIndex,
      fieldNumber: model.key.columns[error.column].number)
  }

  @safe
  func columnBatchPut(
    _ list: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(RecordBatchError) -> Bool? {
    let keyPlan = columns
    var records: [UnsafeRawBufferPointer] = unsafe []
    // The keys one after the other, and where each ends.
    var keys = ByteWriter()
    var ends: [Int] = []
    var byteCount = 0
    do throws(RecordError) {
      var reader = unsafe RecordBatchReader(list, messageIndex: model.listMessageIndex)
      while let record = try unsafe reader.next() {
        try appendKey(of: record, keyPlan, to: &keys)
        unsafe records.append(record)
        ends.append(keys.count)
        byteCount += record.count
      }
      try refuseEtags(reader)
    } catch {
      throw unsafe RecordBatchError(index: records.count, error: .record(error))
    }
    guard unsafe !records.isEmpty else { return nil }
    let keyBytes = unsafe keys.bytes
    return commits.enqueue(ticket, byteCount: byteCount + keyBytes.count) { batch in
      var start = 0
      for index in unsafe records.indices {
        let key = unsafe UnsafeRawBufferPointer(rebasing: keyBytes[start..<ends[index]])
        unsafe batch.put(key, prefix: prefix.fixed, value: records[index])
        start = ends[index]
      }
    }
  }

  /// Queues the deletion of the records that a `ByPk` names: atomic, and without reading them.
  ///
  /// - Returns: as ``put(_:_:)``.
  @safe
  package func columnDelete(
    _ request: UnsafeRawBufferPointer, _ ticket: CommitTicket
  ) throws(QueryError) -> ColumnDeletion? {
    let deletion = try columnDeletion(request)
    if indexes != nil { return indexedDelete(deletion.source, ticket) ? deletion : nil }
    return commits.enqueue(ticket, byteCount: deletion.byteCount) { deletion.append(to: $0) }
      ? deletion : nil
  }

  /// The same in a group of its own.
  @safe
  package func columnDelete(
    _ request: UnsafeRawBufferPointer, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(QueryError) -> ColumnDeletion {
    let deletion = try columnDeletion(request)
    if indexes != nil {
      indexedDelete(deletion.source, ticket, in: group)
    } else {
      deletion.append(to: group.batch)
    }
    return deletion
  }

  @safe
  private func columnDeletion(
    _ request: UnsafeRawBufferPointer
  ) throws(QueryError) -> ColumnDeletion {
    let query = try columnQuery(request)
    try query.options.refuseForDelete()
    guard !query.isEverything else { throw .nothingToDelete }
    return ColumnDeletion(source: query.source)
  }
}

/// Which keys a Delete by columns takes away.
package struct ColumnDeletion: Sendable {
  let source: RecordSource

  /// Whether single keys are named, and no range.
  package var isOfKeys: Bool { if case .keys = source { true } else { false } }

  /// About how many bytes it has in a batch.
  var byteCount: Int {
    switch source {
    case .range(let range): 2 * range.lower.count
    case .ranges(let ranges): ranges.reduce(0) { $0 + 2 * $1.lower.count }
    case .keys(let keys): keys.byteCount
    }
  }

  /// Appends the deletes.
  func append(to batch: WriteBatch) {
    switch source {
    case .range(let range): batch.deleteRange(range)
    case .ranges(let ranges): for range in ranges { batch.deleteRange(range) }
    case .keys(let keys): keys.visit { key in unsafe key.withUnsafeBytes { batch.delete($0) } }
    }
  }
}
