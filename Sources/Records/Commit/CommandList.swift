import Bytes
import Schema

// SAFETY: what is appended is copied; a reader's bytes are a list's, which is not changed while it is executed.

/// Writes to models with indexes, and those with a condition, as they wait for the commit thread, which executes them:
/// what is stored by then decides what they change.
///
/// A call has one or several writes, which have effect together. The bytes are of this process alone:
///
///     put          01, key, record, number of entries, entries: index, key, value
///     delete       02, key
///     range        03, lower, upper: stored keys
///     by entry     04, index, stored key of the entry
///     write        05, action, condition, returning, place of the store among the call's, key,
///                  etag asked for: 8 bytes if there is one, then
///                  of a put      etag: 8 bytes, record, number of entries, entries
///                  of an update  place of the mask among the call's, record
///
/// A call with a write has nothing else.
///
/// Numbers are varints, and all bytes have their length before them.
///
/// Thread-safety: none; guarded by the queue, then the commit thread's, or the reader's of parked calls.
// SAFETY of `@unchecked Sendable`: it is handed from one of them to the next, and the one before keeps none.
final class CommandList: @unchecked Sendable {
  enum Tag {
    static let put: UInt8 = 1
    static let delete: UInt8 = 2
    static let deleteRange: UInt8 = 3
    static let deleteByEntry: UInt8 = 4
    static let write: UInt8 = 5
  }

  struct Call {
    let ticket: CommitTicket
    let store: ModelStore
    fileprivate(set) var start: Int
    fileprivate(set) var end: Int
    /// Of its updates.
    var masks: [MaskTree] = []
    /// Whether its writes are those of a transaction, which are of ``store`` and ``otherStores``.
    var isTransaction = false
    var otherStores: [ModelStore] = []
    /// By which its answer is kept, and found by a call with the same one.
    var requestID: RequestID?
    /// How often it has waited for what it needs to be in memory.
    var timesParked = 0

    /// The store at a place.
    func store(_ place: Int) -> ModelStore { place == 0 ? store : otherStores[place - 1] }

    /// The place of a store, which gets one if it has none.
    fileprivate mutating func place(of other: ModelStore) -> Int {
      if other === store { return 0 }
      if let place = otherStores.firstIndex(where: { $0 === other }) { return place + 1 }
      otherStores.append(other)
      return otherStores.count
    }

    fileprivate var hasPlainModels: Bool {
      store.indexes == nil || otherStores.contains { $0.indexes == nil }
    }

    /// The same with its writes elsewhere.
    fileprivate func moved(to start: Int, timesParked: Int) -> Call {
      var call = self
      call.start = start
      call.end = start + end - self.start
      call.timesParked = timesParked
      return call
    }
  }

  private(set) var bytes = ByteWriter()
  private(set) var calls: [Call] = []
  /// Whether a call is of a model without indexes, whose other writes are in no list of commands.
  private(set) var hasPlainModels = false

  var isEmpty: Bool { calls.isEmpty }

  func removeAll() {
    bytes.removeAll(keepingAtMost: CommitQueue.groupBytes)
    calls.removeAll(keepingCapacity: true)
    hasPlainModels = false
  }

  /// Begins a call, whose writes follow.
  func begin(_ ticket: CommitTicket, of store: ModelStore) {
    calls.append(Call(ticket: ticket, store: store, start: bytes.count, end: bytes.count))
    if store.indexes == nil { hasPlainModels = true }
  }

  private func end() { calls[calls.count - 1].end = bytes.count }

  @safe
  func put(
    key: UnsafeRawBufferPointer, record: UnsafeRawBufferPointer, _ entries: borrowing EntryList
  ) {
    bytes.append(Tag.put)
    append(key)
    append(record)
    append(entries)
    end()
  }

  private func append(_ entries: borrowing EntryList) {
    bytes.appendVarint(UInt64(entries.entries.count))
    for entry in entries.entries {
      bytes.appendVarint(UInt64(entry.index))
      append(entries.key(entry))
      append(entries.value(entry))
    }
  }

  /// The call that was begun last is a transaction.
  func becomeTransaction() { calls[calls.count - 1].isTransaction = true }

  /// The call that was begun last has this id.
  func identify(by id: RequestID?) { calls[calls.count - 1].requestID = id }

  /// - Parameters:
  ///   - record: of a put or an update.
  ///   - entries: of a put.
  ///   - mask: of an update.
  @safe
  func write(
    _ write: ConditionalWrite, key: UnsafeRawBufferPointer, record: UnsafeRawBufferPointer,
    _ entries: borrowing EntryList, _ mask: MaskTree?, of store: ModelStore
  ) {
    let place = calls[calls.count - 1].place(of: store)
    if store.indexes == nil { hasPlainModels = true }
    bytes.append(Tag.write)
    bytes.append(write.action.rawValue)
    bytes.append(write.condition.code)
    bytes.append(write.returning.rawValue)
    bytes.appendVarint(UInt64(place))
    append(key)
    if case .etag(let etag?) = write.condition { bytes.appendLittleEndian(etag.value) }
    switch write.action {
    case .put:
      bytes.appendLittleEndian(write.newEtag.value)
      append(record)
      append(entries)
    case .update:
      bytes.appendVarint(UInt64(calls[calls.count - 1].masks.count))
      append(record)
    case .delete, .check: break
    }
    if let mask { calls[calls.count - 1].masks.append(mask) }
    end()
  }

  @safe
  func delete(key: UnsafeRawBufferPointer) {
    bytes.append(Tag.delete)
    append(key)
    end()
  }

  func deleteRange(lower: [UInt8], upper: [UInt8]) {
    bytes.append(Tag.deleteRange)
    unsafe lower.withUnsafeBytes { append($0) }
    unsafe upper.withUnsafeBytes { append($0) }
    end()
  }

  func delete(byEntry key: [UInt8], ofIndex index: Int) {
    bytes.append(Tag.deleteByEntry)
    bytes.appendVarint(UInt64(index))
    unsafe key.withUnsafeBytes { append($0) }
    end()
  }

  @safe
  private func append(_ part: UnsafeRawBufferPointer) {
    bytes.appendVarint(UInt64(part.count))
    bytes.append(part)
  }

  /// Appends what the one call of another list has to the call that was begun last.
  func appendWrites(of other: CommandList) {
    unsafe bytes.append(other.bytes.bytes)
    let (begun, call) = (calls[calls.count - 1], other.calls[0])
    calls[calls.count - 1] = call.moved(to: begun.start, timesParked: begun.timesParked)
    hasPlainModels = hasPlainModels || other.hasPlainModels
  }

  /// Takes over one call of another list.
  func append(_ call: Call, of other: CommandList, timesParked: Int) {
    let start = bytes.count
    unsafe bytes.append(UnsafeRawBufferPointer(rebasing: other.bytes.bytes[call.start..<call.end]))
    calls.append(call.moved(to: start, timesParked: timesParked))
    hasPlainModels = hasPlainModels || call.hasPlainModels
  }

  /// What its calls look up: records, entries of unique indexes, and kept answers.
  func storedKeys(_ requests: RequestLog) -> [[UInt8]] {
    var keys: [[UInt8]] = []
    for call in calls {
      if let id = call.requestID { keys += requests.keys(of: id) }
      let prefix = call.store.prefix
      let indexes = call.store.indexes?.all ?? []
      var reader = unsafe CommandReader(bytes.bytes, call)
      while !reader.isAtEnd {
        switch reader.tag() {
        case Tag.put:
          keys.append(prefix.key(unsafe reader.part()))
          _ = unsafe reader.part()
          unsafe reader.visitEntries { index, entry, _ in
            if indexes[index].plan.index.isUnique { keys.append(unsafe Array(entry)) }
          }
        case Tag.write:
          let write = reader.write()
          let store = call.store(write.store)
          keys.append(store.prefix.key(write.key))
          if write.action == .put {
            let indexes = store.indexes?.all ?? []
            unsafe reader.visitEntries { index, entry, _ in
              if indexes[index].plan.index.isUnique { keys.append(unsafe Array(entry)) }
            }
          }
        case Tag.delete: keys.append(prefix.key(unsafe reader.part()))
        case Tag.deleteRange:
          _ = unsafe reader.part()
          _ = unsafe reader.part()
        default:
          _ = reader.number()
          keys.append(unsafe Array(reader.part()))
        }
      }
    }
    return Array(Set(keys)).sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Takes over the calls of another list, after its own.
  func append(_ other: CommandList) {
    let start = bytes.count
    unsafe bytes.append(other.bytes.bytes)
    for call in other.calls {
      calls.append(call.moved(to: start + call.start, timesParked: call.timesParked))
    }
    hasPlainModels = hasPlainModels || other.hasPlainModels
  }
}

/// Reads the writes of one call.
@safe
struct CommandReader {
  @safe private let bytes: UnsafeRawBufferPointer
  private(set) var offset: Int
  /// Whether what was read last is a write with a condition.
  private(set) var isConditional = false
  /// See ``ConditionalWrite/isPutOfAnything``.
  private(set) var isPutOfAnything = false
  /// The place of its store among those of its call.
  private(set) var storePlace = 0
  private let end: Int

  /// - Parameter bytes: of the list, which outlive the reader and what it reads.
  init(_ bytes: UnsafeRawBufferPointer, _ call: CommandList.Call) {
    unsafe self.bytes = bytes
    offset = call.start
    end = call.end
  }

  var isAtEnd: Bool { offset >= end }

  /// The key of the next record that is put or deleted by it; nil when there is no more.
  mutating func nextRecordKey() -> UnsafeRawBufferPointer? {
    while !isAtEnd {
      switch tag() {
      case CommandList.Tag.put:
        let key = unsafe part()
        _ = unsafe part()
        unsafe visitEntries { _, _, _ in }
        return unsafe key
      case CommandList.Tag.write:
        let write = write()
        if write.action == .put { unsafe visitEntries { _, _, _ in } }
        isConditional = true
        isPutOfAnything = write.isPutOfAnything
        storePlace = write.store
        return write.key
      case CommandList.Tag.delete: return unsafe part()
      case CommandList.Tag.deleteRange: _ = unsafe (part(), part())
      default:
        _ = number()
        _ = unsafe part()
      }
    }
    return nil
  }

  /// The entries of a put: index, key, value.
  mutating func visitEntries(
    _ visit: (Int, UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
  ) {
    for _ in 0..<number() {
      let index = number()
      unsafe visit(index, part(), part())
    }
  }

  /// A write after its tag, up to the entries of a put.
  mutating func write() -> ConditionalWrite {
    guard let action = WriteRequest.Action(rawValue: tag()) else {
      preconditionFailure("a list is read as it was written")
    }
    let condition = tag()
    guard let returning = WriteRequest.Returning(rawValue: tag()) else {
      preconditionFailure("a list is read as it was written")
    }
    let store = number()
    var write = unsafe ConditionalWrite(action: action, returning: returning, key: part())
    write.store = store
    write.condition = ConditionalWrite.condition(condition) { etag() }
    switch action {
    case .put:
      write.newEtag = etag()
      unsafe write.record = part()
    case .update:
      write.mask = number()
      unsafe write.record = part()
    case .delete, .check: break
    }
    return write
  }

  private mutating func etag() -> Etag {
    defer { offset += 8 }
    return Etag(
      UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
  }

  mutating func tag() -> UInt8 {
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func number() -> Int {
    guard let value = unsafe Varint.decode(bytes, &offset, end: end) else {
      preconditionFailure("a list is read as it was written")
    }
    return Int(value)
  }

  mutating func part() -> UnsafeRawBufferPointer {
    let count = number()
    defer { offset += count }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }
}
