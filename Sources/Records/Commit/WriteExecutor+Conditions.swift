import Bytes
import Engine
import Schema

// SAFETY: the writes of a call are views of a command list, which is not changed while the call is executed. What the
// engine lends is read before its visit ends. The list of the entries that updates make is not changed any more once
// there are views of it.

/// Writes with a condition, an update, or an answer.
///
/// First all records are read, all conditions checked and all records written, each under a key of its own, so that a
/// condition sees what was there before the call. Then entries go, then entries come.
extension WriteExecutor {
  mutating func executeConditional(
    _ call: CommandList.Call, _ list: CommandList, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) {
    conditional.removeAll(keepingCapacity: true)
    made.removeAll()
    old.truncate(to: aheadEnd)
    let (start, firstBytes) = (answers.count, batch.byteCount)
    var place = ahead.first(of: call) ?? .max
    var reader = unsafe CommandReader(list.bytes.bytes, call)
    while !reader.isAtEnd {
      _ = reader.tag()
      var write = reader.write()
      let first = newEntries.count
      if write.action == .put {
        unsafe reader.visitEntries { index, key, value in
          unsafe newEntries.append(NewEntry(index: index, key: key, value: value))
        }
      }
      write.newEntries = first..<newEntries.count
      write.ahead = place
      if place != .max { place += 1 }
      if call.isTransaction { writeNumber = conditional.count }
      try execute(&write, call, call.store(write.store), batch, tier)
      conditional.append(write)
      guard call.isTransaction else { continue }
      let bytes = batch.byteCount - firstBytes + old.bytes.count + made.bytes.count
      guard bytes <= Self.maximumTransactionBytes + maximumRecordBytes else {
        throw .refused(.transactionTooLarge)
      }
    }
    answer = start..<answers.count
    for (number, write) in conditional.enumerated() where write.action != .check {
      guard let indexes = call.store(write.store).indexes else { continue }
      var entries = write.newEntries
      if write.action == .update {
        let first = newEntries.count
        for entry in made.entries[entries] {
          unsafe newEntries.append(
            NewEntry(index: entry.index, key: made.key(entry), value: made.value(entry)))
        }
        entries = first..<newEntries.count
      }
      var change = unsafe Write(
        isPut: write.action != .delete, key: write.key, record: write.record, entries: entries,
        number: number)
      change.store = write.store
      try takeDifference(change, write.oldEntries, indexes, batch)
    }
    try putPending(call, batch, tier)
  }

  /// What is known of the record that is there.
  private struct Found {
    var etag: Etag?
    var entries = 0..<0
    /// It is still stored, and as good as absent.
    var hasEnded = false
  }

  private mutating func execute(
    _ write: inout ConditionalWrite, _ call: CommandList.Call, _ store: ModelStore,
    _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) {
    let found = try look(write, call, store, batch, tier)
    let isThere = found?.hasEnded == false
    if !isThere {
      switch write.condition {
      case .exists(true), .etag: throw .refused(.notFound(store: store, key: write.keyBytes))
      case .none where write.action == .update:
        throw .refused(.notFound(store: store, key: write.keyBytes))
      default: break
      }
    }
    write.oldEntries = found?.entries ?? 0..<0
    let prefix = store.prefix
    switch write.action {
    case .check:
      append(found?.etag, write, isThere && write.returning != .nothing ? .old : nil)
    case .delete:
      if found != nil {
        batch.delete(write.key, prefix: prefix.fixed)
        prefix.withKey(write.key) { overlay.note($0, .deleted) }
        log(isThere ? .delete : .expired, write, write.record, true, store, batch)
      }
      append(nil, write, isThere && write.returning == .old ? .old : nil)
    case .put:
      put(write.record, write.key, store, batch)
      log(.put, write, write.record, isThere, store, batch)
      append(write.newEtag, write, Self.returned(write, isThere))
    case .update:
      write.newEntries = try entriesOfUpdate(write, store)
      unsafe put(merged.bytes, write.key, store, batch)
      unsafe log(.put, write, merged.bytes, isThere, store, batch)
      append(
        unsafe Etag(of: merged.bytes, hash: store.hash), write, Self.returned(write, isThere))
    }
  }

  @safe
  private mutating func log(
    _ kind: ChangeKind, _ write: ConditionalWrite, _ record: UnsafeRawBufferPointer,
    _ isThere: Bool, _ store: ModelStore, _ batch: WriteBatch
  ) {
    guard store.model.watch != nil else { return }
    unsafe changes.append(
      kind, write.key, old: isThere ? oldRecord.bytes : nil, record: record, of: store, to: batch)
  }

  private static func returned(
    _ write: ConditionalWrite, _ isThere: Bool
  ) -> WriteRequest.Returning? {
    switch write.returning {
    case .nothing: nil
    case .new: .new
    case .old: isThere ? .old : nil
    }
  }

  @safe
  private mutating func put(
    _ record: UnsafeRawBufferPointer, _ key: UnsafeRawBufferPointer, _ store: ModelStore,
    _ batch: WriteBatch
  ) {
    batch.put(key, prefix: store.prefix.fixed, value: record)
    let end = batch.byteCount
    store.prefix.withKey(key) { overlay.note($0, .put(end - record.count..<end)) }
  }

  /// Reads the record that is there, checks the condition, and keeps what the write needs of it.
  ///
  /// - Returns: nil when there is none, or when nothing depends on it.
  private mutating func look(
    _ write: ConditionalWrite, _ call: CommandList.Call, _ store: ModelStore, _ batch: WriteBatch,
    _ tier: ReadTier
  ) throws(Stop) -> Found? {
    oldRecord.removeAll(keepingAtMost: 1 << 20)
    merged.removeAll(keepingAtMost: 1 << 20)
    if write.isPutOfAnything && store.indexes == nil { return nil }
    var found: Found?
    var stop: Stop?
    store.prefix.withKey(write.key) { key in
      do throws(Stop) {
        let change = overlay.change(of: key)
        if change == nil {
          switch ahead[write.ahead] {
          case .absent: return
          case .blocked where tier == .memory: throw .wouldBlock
          case .record(let range):
            let record = unsafe UnsafeRawBufferPointer(rebasing: ahead.records.bytes[range])
            found = try take(record, write, call, store)
            return
          case .unknown, .blocked, .entries: break
          }
        }
        _ = try read(key, change, batch, tier) { (executor, record) throws(Stop) in
          found = try executor.take(record, write, call, store)
        }
      } catch {
        stop = error
      }
    }
    if let stop { throw stop }
    return found
  }

  @safe
  private mutating func take(
    _ record: UnsafeRawBufferPointer, _ write: ConditionalWrite, _ call: CommandList.Call,
    _ store: ModelStore
  ) throws(Stop) -> Found {
    var found = Found()
    if let expiry = store.expiry, expiry.hasPassed(record) {
      found.hasEnded = true
      if store.keepsOldRecords { oldRecord.append(record) }
      found.entries = try oldEntries(of: record, write, store)
      return found
    }
    switch write.condition {
    case .none, .exists(true):
      if write.action == .check { found.etag = Etag(of: record, hash: store.hash) }
    case .exists(false):
      let etag = Etag(of: record, hash: store.hash)
      throw .refused(.exists(store: store, key: write.keyBytes, etag: etag))
    case .etag(let wanted):
      let etag = Etag(of: record, hash: store.hash)
      guard etag == wanted else {
        throw .refused(.otherEtag(store: store, key: write.keyBytes, etag: etag))
      }
      found.etag = etag
    }
    if store.keepsOldRecords || write.returning == .old
      || write.action == .check && write.returning == .new
    {
      oldRecord.append(record)
    }
    if write.action == .update {
      do throws(RecordError) {
        try call.masks[write.mask].update(record, with: write.record, into: &merged)
      } catch {
        throw .refused(.badUpdate(store: store, key: write.keyBytes, .record(error)))
      }
    }
    found.entries = try oldEntries(of: record, write, store)
    return found
  }

  /// Keeps the entries of a record that is written.
  @safe
  private mutating func oldEntries(
    of record: UnsafeRawBufferPointer, _ write: ConditionalWrite, _ store: ModelStore
  ) throws(Stop) -> Range<Int> {
    let first = old.entries.count
    guard let indexes = store.indexes, write.action != .check else { return first..<first }
    do throws(IndexEntryError) {
      try indexes.append(record, key: write.key, &slots, to: &old)
    } catch {
      throw .refused(.unreadableRecord(store: store, key: write.keyBytes, error))
    }
    return first..<old.entries.count
  }

  /// Checks what an update has made of a record, and makes its entries.
  ///
  /// - Returns: where they are in ``made``.
  private mutating func entriesOfUpdate(
    _ write: ConditionalWrite, _ store: ModelStore
  ) throws(Stop) -> Range<Int> {
    let key = write.keyBytes
    guard merged.count <= maximumRecordBytes else {
      throw .refused(
        .updateTooLarge(store: store, key: key, bytes: merged.count, limit: maximumRecordBytes))
    }
    // All fields of it were checked in one of the records that it was made of.
    if store.plan.hasRequiredFields {
      do throws(RecordError) {
        try unsafe store.plan.checkFields(merged.bytes, messageIndex: store.model.messageIndex)
      } catch {
        throw .refused(.badUpdate(store: store, key: key, .record(error)))
      }
    }
    let first = made.entries.count
    guard let indexes = store.indexes else { return first..<first }
    do throws(IndexEntryError) {
      try unsafe indexes.append(merged.bytes, key: write.key, &slots, to: &made)
    } catch {
      throw .refused(.badUpdate(store: store, key: key, .index(error)))
    }
    return first..<made.entries.count
  }

  /// Appends the answer of a write: a `Written`, or its part of a `Result`, whose field for etags has the same number.
  ///
  /// - Parameter record: which one it has, that as it was or as it is now.
  private mutating func append(
    _ etag: Etag?, _ write: ConditionalWrite, _ record: WriteRequest.Returning?
  ) {
    if let etag {
      etag.append(WrittenField.etag, to: &answers)
    } else if writeNumber != nil {
      // Of each write there is one.
      unsafe answers.appendField(
        WrittenField.etag, UnsafeRawBufferPointer(start: nil, count: 0))
    }
    switch record {
    case .old: unsafe answers.appendField(WrittenField.record, oldRecord.bytes)
    case .new where write.action == .put: answers.appendField(WrittenField.record, write.record)
    case .new: unsafe answers.appendField(WrittenField.record, merged.bytes)
    default: break
    }
  }

  /// Numbers of the fields of `Written`.
  private enum WrittenField {
    static let etag = 1
    static let record = 2
  }
}

extension ConditionalWrite {
  fileprivate var keyBytes: [UInt8] { unsafe Array(key) }
}
