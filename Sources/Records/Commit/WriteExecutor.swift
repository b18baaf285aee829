import Bytes
import Engine
import Schema

// SAFETY: the writes of a call are views of a command list, which is not changed while the call is executed. What the
// engine or the batch lends is read before either changes.

/// Executes writes to models with indexes, and those with conditions: reads what is stored, and makes changes of
/// records and entries of it.
///
/// One call after the other, each on what the calls before it have left; one that fails leaves nothing. All of it is on
/// the commit thread, so that nothing changes between the look and the write.
///
/// Thread-safety: none.
package struct WriteExecutor: ~Copyable {
  /// How a call ended.
  enum Outcome {
    /// Its changes are in the batch.
    case done
    case refused(WriteRefusal)
    /// What is stored could not be read.
    case failed(EngineError)
    /// What it needs is not where the tier may look.
    case wouldBlock
  }

  /// A range delete changes at most so many entries and bytes: more would keep all other writes waiting for long.
  package static let maximumEntries = 100_000
  /// See ``maximumEntries``.
  package static let maximumBytes = 16 << 20
  /// A transaction may hold so many bytes of records and entries, old and new ones, beside one record of any size:
  /// an update of a few bytes makes a whole record anew.
  package static let maximumTransactionBytes = 64 << 20

  enum Stop: Error {
    case refused(WriteRefusal)
    case failed(EngineError)
    case wouldBlock
  }

  /// A write of a call.
  @safe
  struct Write {
    let isPut: Bool
    /// Of the record, without its prefix.
    @safe let key: UnsafeRawBufferPointer
    @safe let record: UnsafeRawBufferPointer
    /// The new entries, in ``newEntries``.
    let entries: Range<Int>
    let number: Int
    /// The place of its store among those of the call.
    var store = 0
    /// Where ``LookAhead`` has what is stored of it.
    var ahead = Int.max
  }

  @safe
  struct NewEntry {
    let index: Int
    @safe let key: UnsafeRawBufferPointer
    @safe let value: UnsafeRawBufferPointer
  }

  /// A new entry, and whose it is.
  struct Pending {
    let entry: NewEntry
    let write: Write
  }

  let engine: any StorageEngine
  let requests: RequestLog
  var changes: ChangeWriter
  var overlay = WriteOverlay()
  var ahead = LookAhead()
  /// What is stored: of the records that were looked up ahead, then of the one that is written.
  var old = EntryList()
  /// The end of the former.
  var aheadEnd = EntryList.Mark()
  var slots = RecordSlots()
  private var writes: [Write] = []
  /// Of the call: writes with conditions.
  var conditional: [ConditionalWrite] = []
  /// The entries that updates make.
  var made = EntryList()
  /// What an update makes of a record, and what was stored before.
  var merged = ByteWriter()
  var oldRecord = ByteWriter()
  /// Whether that had ended, of a model that is watched.
  private var oldHasEnded = false
  /// Messages for those whose calls have one, until they are told.
  var answers = ByteWriter()
  /// Where in ``answers`` that of the call is that was executed last; nil for none.
  var answer: Range<Int>?
  /// The write of a transaction that is executed, or was refused; nil in all other calls.
  var writeNumber: Int?
  /// A record may have so many bytes after an update.
  let maximumRecordBytes: Int
  var newEntries: [NewEntry] = []
  var pending: [Pending] = []

  init(
    engine: any StorageEngine, requests: RequestLog, changes: consuming ChangeWriter,
    maximumRecordBytes: Int
  ) {
    self.engine = engine
    self.changes = changes
    self.requests = requests
    self.maximumRecordBytes = maximumRecordBytes
  }

  /// Forgets the changes of the calls so far: the engine has them.
  mutating func didApply() {
    overlay.removeAll()
    answers.removeAll(keepingAtMost: 1 << 20)
    forgetAhead()
  }

  /// Takes changes into account that are in the batch already, as they are: calls that are executed come after them.
  ///
  /// - Precondition: no range is among them.
  mutating func note(_ batch: WriteBatch) {
    guard let base = unsafe batch.image.baseAddress else { return }
    // What a batch has written is well formed.
    try? batch.visitEntries { entry in
      switch entry {
      case .put(let key, let value):
        // SAFETY: a value is a part of the image.
        let start = unsafe value.baseAddress.map { unsafe $0 - base } ?? 0
        overlay.note(key, .put(start..<start + value.count))
      case .delete(let key): overlay.note(key, .deleted)
      case .deleteRange: preconditionFailure("a range is applied before it is read")
      }
    }
  }

  private mutating func forgetAhead() {
    ahead.removeAll()
    old.removeAll()
    aheadEnd = EntryList.Mark()
  }

  /// Looks up what is stored of the records that a call and the next ones write, unless that was done.
  ///
  /// - Parameter index: of the call in the list, whose calls are executed in their order until
  ///   ``didApply()``.
  mutating func lookAhead(_ list: CommandList, from index: Int) {
    guard !ahead.has(index) else { return }
    forgetAhead()
    ahead.look(list, from: index, engine, &old, &slots)
    aheadEnd = old.mark
  }

  /// Whether a call reads a range of what is stored: the calls before it have to be applied.
  static func isRange(_ call: CommandList.Call, of list: CommandList) -> Bool {
    var reader = unsafe CommandReader(list.bytes.bytes, call)
    return !reader.isAtEnd && reader.tag() == CommandList.Tag.deleteRange
  }

  private static func isConditional(_ call: CommandList.Call, of list: CommandList) -> Bool {
    var reader = unsafe CommandReader(list.bytes.bytes, call)
    return !reader.isAtEnd && reader.tag() == CommandList.Tag.write
  }

  /// Appends what a call changes to the batch.
  mutating func execute(
    _ call: CommandList.Call, of list: CommandList, into batch: WriteBatch, tier: ReadTier
  ) -> Outcome {
    let (mark, overlayMark, answerMark) = (batch.mark(), overlay.mark, answers.count)
    let changeMark = changes.beginCall()
    answer = nil
    writeNumber = nil
    do throws(Stop) {
      try execute(call, list, batch, tier)
      return .done
    } catch {
      batch.rollback(to: mark)
      overlay.rollback(to: overlayMark)
      changes.rollback(to: changeMark)
      answers.truncate(to: answerMark)
      return switch error {
      case .refused(let refusal): .refused(refusal)
      case .failed(let error): .failed(error)
      case .wouldBlock: .wouldBlock
      }
    }
  }

  private mutating func execute(
    _ call: CommandList.Call, _ list: CommandList, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) {
    let store = call.store
    writes.removeAll(keepingCapacity: true)
    newEntries.removeAll(keepingCapacity: true)
    pending.removeAll(keepingCapacity: true)
    if Self.isConditional(call, of: list) {
      if let id = call.requestID { return try execute(call, list, id, batch, tier) }
      return try executeConditional(call, list, batch, tier)
    }
    let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    var holders: [(key: [UInt8], index: Int)] = []
    var reader = unsafe CommandReader(list.bytes.bytes, call)
    var number = 0
    var place = ahead.first(of: call) ?? .max
    while !reader.isAtEnd {
      switch reader.tag() {
      case CommandList.Tag.put:
        let (key, record) = unsafe (reader.part(), reader.part())
        let first = newEntries.count
        for _ in 0..<reader.number() {
          let index = reader.number()
          unsafe newEntries.append(
            NewEntry(index: index, key: reader.part(), value: reader.part()))
        }
        unsafe writes.append(
          Write(
            isPut: true, key: key, record: record, entries: first..<newEntries.count,
            number: number, ahead: place))
        if place != .max { place += 1 }
      case CommandList.Tag.delete:
        unsafe writes.append(
          Write(
            isPut: false, key: reader.part(), record: none, entries: 0..<0, number: number,
            ahead: place))
        if place != .max { place += 1 }
      case CommandList.Tag.deleteRange:
        let (lower, upper) = unsafe (reader.part(), reader.part())
        try deleteRange(unsafe KeyRange(lower: Array(lower), upper: Array(upper)), store, batch)
      default:
        let index = reader.number()
        if let key = try unsafe holder(ofEntry: reader.part(), index, store, batch, tier) {
          holders.append((key, index))
        }
      }
      number += 1
    }
    leaveOutReplaced()
    for write in writes { _ = try execute(write, store, batch, tier) }
    for (key, index) in holders { try delete(key, byIndex: index, store, batch, tier) }
    try putPending(call, batch, tier)
  }

  /// Puts the entries that are new, once all old ones are gone: records may swap a value of a unique index.
  mutating func putPending(
    _ call: CommandList.Call, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) {
    for entry in pending { try put(entry, call.store(entry.write.store), batch, tier) }
  }

  /// Deletes the record that an entry of a unique index names.
  private mutating func delete(
    _ key: [UInt8], byIndex index: Int, _ store: ModelStore, _ batch: WriteBatch,
    _ tier: ReadTier
  ) throws(Stop) {
    var failure: Stop?
    var isThere = false
    unsafe key.withUnsafeBytes { key in
      let write = unsafe Write(
        isPut: false, key: key, record: UnsafeRawBufferPointer(start: nil, count: 0),
        entries: 0..<0, number: 0)
      do throws(Stop) {
        isThere = try execute(write, store, batch, tier)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    if !isThere, let plan = store.indexes?.all[index].plan {
      throw .refused(.corruptIndex(store: store, index: plan.index, key: key))
    }
  }

  /// Of several writes to one record the last one stays.
  private mutating func leaveOutReplaced() {
    guard writes.count > 1 else { return }
    let ordered = writes.indices.sorted { first, second in
      let (key, other) = (writes[first].key, writes[second].key)
      if unsafe key.lexicographicallyPrecedes(other) { return true }
      if unsafe other.lexicographicallyPrecedes(key) { return false }
      return first < second
    }
    var isReplaced = [Bool](repeating: false, count: writes.count)
    for (place, next) in zip(ordered, ordered.dropFirst())
    where unsafe writes[place].key.elementsEqual(writes[next].key) {
      isReplaced[place] = true
    }
    guard isReplaced.contains(true) else { return }
    writes = writes.indices.filter { !isReplaced[$0] }.map { writes[$0] }
  }

  // MARK: - One record

  /// - Returns: whether there was a record.
  private mutating func execute(
    _ write: Write, _ store: ModelStore, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) -> Bool {
    guard let indexes = store.indexes else { return false }
    let stored = try readOld(write, store, indexes, batch, tier)
    let isThere = stored != nil
    guard write.isPut || isThere else { return false }
    try takeDifference(write, stored ?? 0..<0, indexes, batch)
    let prefix = store.prefix
    if write.isPut {
      batch.put(write.key, prefix: prefix.fixed, value: write.record)
    } else {
      batch.delete(write.key, prefix: prefix.fixed)
    }
    let end = batch.byteCount
    let change: WriteOverlay.Change =
      write.isPut ? .put(end - write.record.count..<end) : .deleted
    prefix.withKey(write.key) { overlay.note($0, change) }
    if store.model.watch != nil {
      unsafe changes.append(
        write.isPut ? .put : oldHasEnded ? .expired : .delete, write.key,
        old: isThere && !(write.isPut && oldHasEnded) ? oldRecord.bytes : nil,
        record: write.record, of: store, to: batch)
    }
    return isThere
  }

  /// Finds the entries of the record that is stored.
  ///
  /// - Returns: the entries in ``old``; nil when there is no record.
  private mutating func readOld(
    _ write: Write, _ store: ModelStore, _ indexes: ModelIndexes, _ batch: WriteBatch,
    _ tier: ReadTier
  ) throws(Stop) -> Range<Int>? {
    old.truncate(to: aheadEnd)
    oldRecord.removeAll(keepingAtMost: 1 << 20)
    oldHasEnded = false
    var isThere = false
    var known: Range<Int>?
    var stop: Stop?
    let key = write.key
    store.prefix.withKey(key) { stored in
      do throws(Stop) {
        let change = overlay.change(of: stored)
        if change == nil {
          switch ahead[write.ahead] {
          case .absent: return
          case .blocked where tier == .memory: throw .wouldBlock
          case .entries(let entries):
            known = entries
            return
          case .unknown, .blocked, .record: break
          }
        }
        isThere = try read(stored, change, batch, tier) { (executor, value) throws(Stop) in
          if store.keepsOldRecords { executor.oldRecord.append(value) }
          if store.model.watch != nil {
            executor.oldHasEnded = store.expiry?.hasPassed(value) == true
          }
          do throws(IndexEntryError) {
            try indexes.append(value, key: key, &executor.slots, to: &executor.old)
          } catch {
            throw unsafe .refused(
              .unreadableRecord(store: store, key: Array(key), error))
          }
        }
      } catch {
        stop = error
      }
    }
    if let stop { throw stop }
    if let known { return known }
    return isThere ? aheadEnd.entries..<old.entries.count : nil
  }

  /// Lends the value of a stored key as the calls so far have left it.
  ///
  /// - Returns: whether there is one.
  @safe
  mutating func read(
    _ key: UnsafeRawBufferPointer, _ batch: WriteBatch, _ tier: ReadTier,
    _ visit: (inout WriteExecutor, UnsafeRawBufferPointer) throws(Stop) -> Void
  ) throws(Stop) -> Bool {
    try read(key, overlay.change(of: key), batch, tier, visit)
  }

  /// - Parameter change: of the key, by the calls so far.
  @safe
  mutating func read(
    _ key: UnsafeRawBufferPointer, _ change: WriteOverlay.Change?, _ batch: WriteBatch,
    _ tier: ReadTier, _ visit: (inout WriteExecutor, UnsafeRawBufferPointer) throws(Stop) -> Void
  ) throws(Stop) -> Bool {
    switch change {
    case .deleted: return false
    case .put(let range):
      let image = unsafe batch.image
      try unsafe visit(&self, UnsafeRawBufferPointer(rebasing: image[range]))
      return true
    case nil: break
    }
    var stop: Stop?
    let engine = self.engine
    let outcome: ReadOutcome
    do throws(EngineError) {
      outcome = try engine.get(key, snapshot: nil, tier: tier) { value in
        do throws(Stop) { try unsafe visit(&self, value) } catch { stop = error }
      }
    } catch {
      throw .failed(error)
    }
    if let stop { throw stop }
    if case .wouldBlock = outcome { throw .wouldBlock }
    return outcome == .found
  }

  /// Deletes the entries that the new record has not, and notes those that the old one had not.
  ///
  /// - Parameter stored: the old ones, in ``old``.
  mutating func takeDifference(
    _ write: Write, _ stored: Range<Int>, _ indexes: ModelIndexes, _ batch: WriteBatch
  ) throws(Stop) {
    var place = stored.lowerBound
    var new = write.entries.lowerBound
    // The same index and key, the first one, the second one.
    while place < stored.upperBound || new < write.entries.upperBound {
      let order: Int
      if place == stored.upperBound {
        order = 1
      } else if new == write.entries.upperBound {
        order = -1
      } else {
        order = Self.order(
          old.entries[place].index, old.key(old.entries[place]), newEntries[new].index,
          newEntries[new].key)
      }
      let index = order <= 0 ? old.entries[place].index : newEntries[new].index
      let isKept = indexes.all[index].keepsEntries(ofKey: write.key)
      if order < 0 {
        if isKept {
          let key = old.key(old.entries[place])
          batch.delete(key)
          overlay.note(key, .deleted)
        }
        place += 1
      } else if order > 0 {
        if isKept { pending.append(Pending(entry: newEntries[new], write: write)) }
        new += 1
      } else {
        let entry = newEntries[new]
        let value = old.value(old.entries[place])
        if isKept, unsafe !value.elementsEqual(entry.value) { put(entry, batch) }
        place += 1
        new += 1
      }
    }
  }

  @safe
  private static func order(
    _ index: Int, _ key: UnsafeRawBufferPointer, _ otherIndex: Int,
    _ otherKey: UnsafeRawBufferPointer
  ) -> Int {
    if index != otherIndex { return index < otherIndex ? -1 : 1 }
    return KeyBytes.order(key, otherKey)
  }

  private mutating func put(_ entry: NewEntry, _ batch: WriteBatch) {
    batch.put(entry.key, entry.value)
    let end = batch.byteCount
    overlay.note(entry.key, .put(end - entry.value.count..<end))
  }

  /// Puts an entry that is new, unless another record has the values of a unique index.
  private mutating func put(
    _ pending: Pending, _ store: ModelStore, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) {
    let entry = pending.entry
    guard let indexes = store.indexes, !isDeleted(pending, store) else { return }
    let plan = indexes.all[entry.index].plan
    if plan.index.isUnique {
      if writeNumber != nil { writeNumber = pending.write.number }
      var other: [UInt8]?
      _ = try read(entry.key, batch, tier) { (_, value) throws(Stop) in
        guard let holder = plan.holder(value) else {
          throw unsafe .refused(
            .corruptIndex(store: store, index: plan.index, key: Array(pending.write.key)))
        }
        guard unsafe !holder.elementsEqual(pending.write.key) else { return }
        other = unsafe Array(holder)
      }
      if let other, try !deleteIfEnded(other, of: store, batch, tier) {
        throw .refused(
          .uniqueViolation(
            store: store, index: plan.index, holder: other, write: pending.write.number))
      }
    }
    put(entry, batch)
  }

  /// Whether the record of an entry is gone already: it had ended when the call put it, and another record of the call
  /// took a unique value of it.
  private func isDeleted(_ pending: Pending, _ store: ModelStore) -> Bool {
    guard store.expiry != nil else { return false }
    var isDeleted = false
    store.prefix.withKey(pending.write.key) {
      if case .deleted = overlay.change(of: $0) { isDeleted = true }
    }
    return isDeleted
  }

  // MARK: - Deletes of what is looked for

  /// The key of the record that a unique entry is of; nil when there is no such entry.
  @safe
  private mutating func holder(
    ofEntry key: UnsafeRawBufferPointer, _ index: Int, _ store: ModelStore, _ batch: WriteBatch,
    _ tier: ReadTier
  ) throws(Stop) -> [UInt8]? {
    guard let plan = store.indexes?.all[index].plan else { return nil }
    var holder: [UInt8]?
    _ = try read(key, batch, tier) { (_, value) throws(Stop) in
      guard let found = plan.holder(value) else {
        throw unsafe .refused(
          .corruptIndex(store: store, index: plan.index, key: Array(key)))
      }
      holder = unsafe Array(found)
    }
    return holder
  }

  /// Deletes the records of a range with their entries.
  private mutating func deleteRange(
    _ range: KeyRange, _ store: ModelStore, _ batch: WriteBatch
  ) throws(Stop) {
    guard let indexes = store.indexes, !range.isEmpty else { return }
    forgetAhead()
    // Of a model that is watched each record is a change.
    if range == store.prefix.all, store.model.watch == nil {
      batch.deleteRange(range)
      for index in indexes.all { batch.deleteRange(index.plan.prefix.all) }
      return
    }
    var stop: Stop?
    var entryCount = 0
    let firstBytes = batch.byteCount
    do throws(EngineError) {
      _ = try engine.scan(
        range, direction: .ascending, limit: .max, snapshot: nil, tier: .any
      ) { stored, record in
        old.removeAll()
        let key = unsafe UnsafeRawBufferPointer(rebasing: stored[KeyPrefix.byteCount...])
        do throws(IndexEntryError) {
          try indexes.append(record, key: key, &slots, to: &old)
        } catch {
          stop = unsafe .refused(.unreadableRecord(store: store, key: Array(key), error))
          return .stop
        }
        for entry in old.entries where indexes.all[entry.index].keepsEntries(ofKey: key) {
          batch.delete(old.key(entry))
        }
        batch.delete(stored)
        if store.model.watch != nil {
          unsafe changes.append(
            store.expiry?.hasPassed(record) == true ? .expired : .delete, key, old: record,
            record: UnsafeRawBufferPointer(start: nil, count: 0), of: store, to: batch)
        }
        entryCount += 1 + old.entries.count
        let bytes = batch.byteCount - firstBytes
        guard entryCount <= Self.maximumEntries, bytes <= Self.maximumBytes else {
          stop = .refused(.tooLarge(entries: entryCount, bytes: bytes))
          return .stop
        }
        return .next
      }
    } catch {
      throw .failed(error)
    }
    if let stop { throw stop }
  }
}
