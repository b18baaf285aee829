import Bytes
import Schema

// SAFETY: requests are lent until the return; a list of commands copies what is queued. A writer is not changed while
// its bytes are read.

/// Writes with conditions: checked here as far as the request alone shows, and executed on the commit thread.
extension ModelStore {
  /// A write with its key, and with what it needs of its record.
  private struct PreparedWrite: ~Copyable {
    var key = ByteWriter(capacity: 64)
    var entries = EntryList()
    var mask: MaskTree?
    var action: WriteRequest.Action
    var condition: WriteRequest.Condition
    var newEtag = Etag(0)

    init(_ request: WriteRequest) {
      action = request.action
      condition = request.condition
    }
  }

  /// Queues a write, whose answer comes with the commit.
  ///
  /// - Returns: as ``put(_:_:)``.
  package func write(
    _ request: WriteRequest, _ ticket: CommitTicket
  ) throws(WriteCallError) -> Bool {
    let prepared = try prepare(request)
    let byteCount = unsafe request.body.count + prepared.key.count + prepared.entries.bytes.count
    return commits.enqueueCommands(ticket, of: self, byteCount: byteCount) {
      append(prepared, request, to: $0)
      $0.identify(by: request.requestID)
    }
  }

  /// Appends what ``write(_:_:)`` queues.
  package func write(
    _ request: WriteRequest, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(WriteCallError) {
    let prepared = try prepare(request)
    let commands = group.beginCommands(ticket, of: self)
    append(prepared, request, to: commands)
    commands.identify(by: request.requestID)
  }

  /// Appends one more write of a transaction.
  ///
  /// - Parameter entryBytes: bytes of the index entries of the transaction so far, of which there may be
  ///   ``IndexPlan/maximumEntryBytes``; gets those of the write added.
  /// - Returns: the key of its record, without its prefix.
  func append(
    _ request: WriteRequest, to transaction: CommandList, entryBytes: inout Int
  ) throws(WriteCallError) -> [UInt8] {
    let prepared = try prepare(request)
    entryBytes += prepared.entries.bytes.count
    guard entryBytes <= IndexPlan.maximumEntryBytes else { throw .record(.tooLarge) }
    append(prepared, request, to: transaction)
    return prepared.key.array()
  }

  private func append(
    _ prepared: borrowing PreparedWrite, _ request: WriteRequest, to commands: CommandList
  ) {
    let key = unsafe prepared.key.bytes
    var write = ConditionalWrite(
      action: prepared.action, returning: request.returning, key: key)
    write.condition = prepared.condition
    write.newEtag = prepared.newEtag
    unsafe commands.write(
      write, key: key, record: request.body, prepared.entries, prepared.mask, of: self)
  }

  /// Checks what the request alone shows.
  private func prepare(_ request: WriteRequest) throws(WriteCallError) -> PreparedWrite {
    var prepared = PreparedWrite(request)
    switch request.action {
    case .delete, .check: try unsafe appendKey(request.body, to: &prepared.key)
    case .put, .update:
      do throws(RecordError) {
        try unsafe appendKey(ofUnchecked: request.body, to: &prepared.key)
      } catch {
        throw .record(.record(error))
      }
    }
    if request.action == .update {
      prepared.mask = try mask(of: request)
      if prepared.condition == .none { prepared.condition = .exists(true) }
      // `*`: the record as it is.
      if prepared.mask == nil { prepared.action = .put }
    }
    if prepared.action == .put {
      prepared.newEtag = unsafe Etag(of: request.body, hash: hash)
      try unsafe appendEntries(request.body, prepared.key, to: &prepared.entries)
    }
    return prepared
  }

  /// Appends the key that a `Key` names.
  @safe
  private func appendKey(
    _ message: UnsafeRawBufferPointer, to key: inout ByteWriter
  ) throws(WriteCallError) {
    do throws(QueryError) {
      if hasColumns {
        key.append(try columnKey(message))
      } else {
        key.append(unsafe try parseKey(message))
      }
    } catch {
      throw .query(error)
    }
  }

  @safe
  private func appendEntries(
    _ record: UnsafeRawBufferPointer, _ key: borrowing ByteWriter, to entries: inout EntryList
  ) throws(WriteCallError) {
    guard let indexes else { return }
    var slots = RecordSlots()
    do throws(IndexEntryError) {
      try unsafe indexes.append(record, key: key.bytes, &slots, to: &entries)
    } catch {
      throw .record(.index(error))
    }
  }

  /// What an update replaces; nil for everything.
  private func mask(of request: WriteRequest) throws(WriteCallError) -> MaskTree? {
    do throws(QueryError) {
      switch try unsafe updateMasks.mask(request.maskParts, self) {
      case .everything: return nil
      case .fields(let tree): return tree
      case .populated: break
      }
    } catch {
      throw .query(error)
    }
    do throws(RecordError) {
      return try unsafe MaskTree.populated(
        in: request.body, keyFields: keyFieldNumbers, message: model.messageIndex, plan: plan)
    } catch {
      throw .record(.record(error))
    }
  }
}
