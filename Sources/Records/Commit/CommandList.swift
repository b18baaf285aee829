import Bytes
import Schema

// SAFETY: what is appended is copied; a reader's bytes are a list's, which is not changed while it is executed.

/// Writes to models with indexes, as they wait for the commit thread, which executes them: what is stored by then
/// decides what they change.
///
/// A call has one or several writes, which have effect together. The bytes are of this process alone:
///
///     put          01, key, record, number of entries, entries: index, key, value
///     delete       02, key
///     range        03, lower, upper: stored keys
///     by entry     04, index, stored key of the entry
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
  }

  struct Call {
    let ticket: CommitTicket
    let store: ModelStore
    let start: Int
    var end: Int
    /// How often it has waited for what it needs to be in memory.
    var timesParked = 0
  }

  private(set) var bytes = ByteWriter()
  private(set) var calls: [Call] = []

  var isEmpty: Bool { calls.isEmpty }

  func removeAll() {
    bytes.removeAll(keepingAtMost: CommitQueue.groupBytes)
    calls.removeAll(keepingCapacity: true)
  }

  /// Begins a call, whose writes follow.
  func begin(_ ticket: CommitTicket, of store: ModelStore) {
    calls.append(Call(ticket: ticket, store: store, start: bytes.count, end: bytes.count))
  }

  private func end() { calls[calls.count - 1].end = bytes.count }

  @safe
  func put(
    key: UnsafeRawBufferPointer, record: UnsafeRawBufferPointer, _ entries: borrowing EntryList
  ) {
    bytes.append(Tag.put)
    append(key)
    append(record)
    bytes.appendVarint(UInt64(entries.entries.count))
    for entry in entries.entries {
      bytes.appendVarint(UInt64(entry.index))
      append(entries.key(entry))
      append(entries.value(entry))
    }
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
    end()
  }

  /// Takes over one call of another list.
  func append(_ call: Call, of other: CommandList, timesParked: Int) {
    let start = bytes.count
    unsafe bytes.append(UnsafeRawBufferPointer(rebasing: other.bytes.bytes[call.start..<call.end]))
    calls.append(
      Call(
        ticket: call.ticket, store: call.store, start: start, end: bytes.count,
        timesParked: timesParked))
  }

  /// What its calls look up: records, and entries of unique indexes.
  func storedKeys() -> [[UInt8]] {
    var keys: [[UInt8]] = []
    for call in calls {
      let prefix = call.store.prefix
      let indexes = call.store.indexes?.all ?? []
      var reader = unsafe CommandReader(bytes.bytes, call)
      while !reader.isAtEnd {
        switch reader.tag() {
        case Tag.put:
          keys.append(prefix.key(unsafe reader.part()))
          _ = unsafe reader.part()
          for _ in 0..<reader.number() {
            let index = reader.number()
            let entry = unsafe reader.part()
            _ = unsafe reader.part()
            if indexes[index].plan.index.isUnique { keys.append(unsafe Array(entry)) }
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
      calls.append(
        Call(
          ticket: call.ticket, store: call.store, start: start + call.start,
          end: start + call.end, timesParked: call.timesParked))
    }
  }
}

/// Reads the writes of one call.
@safe
struct CommandReader {
  @safe private let bytes: UnsafeRawBufferPointer
  private(set) var offset: Int
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
        for _ in 0..<number() {
          _ = number()
          _ = unsafe (part(), part())
        }
        return unsafe key
      case CommandList.Tag.delete: return unsafe part()
      case CommandList.Tag.deleteRange: _ = unsafe (part(), part())
      default:
        _ = number()
        _ = unsafe part()
      }
    }
    return nil
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
