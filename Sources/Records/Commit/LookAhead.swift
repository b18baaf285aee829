import Bytes
import Engine

// SAFETY: keys lie in a writer, and a list of commands in its own, which are not changed while they are looked up.

/// What is stored of the records that the next calls write, looked up together: waits for memory overlap then.
///
/// It holds until something is applied. What the calls before have changed is not in it.
///
/// Thread-safety: none; the commit thread's.
struct LookAhead: ~Copyable {
  /// What is known of a record that is written.
  enum Found {
    /// Nothing: it has to be looked up.
    case unknown
    case absent
    /// It is not where ``ReadTier/memory`` may look.
    case blocked
    /// Its entries, in the list that was given.
    case entries(Range<Int>)
    /// Of a write with a condition: the record, in ``LookAhead/records``.
    case record(Range<Int>)
  }

  /// Calls are taken until they write so many records.
  private static let recordCount = 64
  /// Of one call more are looked up one by one.
  private static let maximumRecords = 1024
  /// And until the entries have so many bytes.
  private static let entryBytes = 1 << 20
  /// After so many records that block the rest is looked up one by one.
  private static let maximumBlocked = 4

  private struct Call {
    let start: Int
    /// Its first record in `found`.
    let first: Int
  }

  private struct Key {
    let end: Int
    /// Among the calls of the list.
    let call: Int
    /// In `found`.
    let place: Int
    let isConditional: Bool
  }

  private var calls: [Call] = []
  private var found: [Found] = []
  private var keys = ByteWriter()
  private(set) var records = ByteWriter()
  private var places: [Key] = []
  /// Calls of the list before this one were looked at.
  private var end = 0
  private var next = 0

  mutating func removeAll() {
    calls.removeAll(keepingCapacity: true)
    found.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    keys.removeAll(keepingAtMost: 64 << 10)
    records.removeAll(keepingAtMost: Self.entryBytes)
    end = 0
    next = 0
  }

  /// Whether the call at this place of its list was looked at.
  func has(_ index: Int) -> Bool { index < end }

  /// What is known of the records of a call, the first one's place; nil when nothing is.
  ///
  /// Calls are asked for in the order of the list.
  mutating func first(of call: CommandList.Call) -> Int? {
    while next < calls.count, calls[next].start < call.start { next += 1 }
    return next < calls.count && calls[next].start == call.start ? calls[next].first : nil
  }

  subscript(place: Int) -> Found { place < found.count ? found[place] : .unknown }

  /// Looks up what the calls from `index` on write.
  ///
  /// - Parameter entries: gets the entries of what is stored; empty.
  mutating func look(
    _ list: CommandList, from index: Int, _ engine: any StorageEngine, _ entries: inout EntryList,
    _ slots: inout RecordSlots
  ) {
    removeAll()
    gather(list, from: index)
    // One alone is looked up as well when it is executed.
    guard places.count > 1 else { return }
    let bytes = unsafe keys.bytes
    let count = places.count
    unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: count) {
      buffer in
      for place in 0..<count {
        let start = place == 0 ? 0 : places[place - 1].end
        unsafe buffer.initializeElement(
          at: place, to: UnsafeRawBufferPointer(rebasing: bytes[start..<places[place].end]))
      }
      var first = 0
      var blocked = 0
      while first < count, blocked < Self.maximumBlocked {
        let wanted = unsafe UnsafeBufferPointer(rebasing: buffer[first..<count])
        var visited = first
        let outcome = try? engine.get(wanted, snapshot: nil, tier: .memory) { index, record in
          let place = first + index
          found[places[place].place] = unsafe self.entries(
            of: record, wanted[index], list, place, &entries, &slots)
          visited = place + 1
          return entries.bytes.count + records.count > Self.entryBytes ? .stop : .next
        }
        // What cannot be read is told when it is executed.
        guard outcome == .wouldBlock else { return }
        found[places[visited].place] = .blocked
        blocked += 1
        first = visited + 1
      }
    }
  }

  private mutating func gather(_ list: CommandList, from index: Int) {
    var index = index
    while index < list.calls.count, found.count < Self.recordCount {
      let call = list.calls[index]
      var reader = unsafe CommandReader(list.bytes.bytes, call)
      // What comes after a range is written after that has been applied.
      if !reader.isAtEnd, WriteExecutor.isRange(call, of: list) { break }
      calls.append(Call(start: call.start, first: found.count))
      while let key = unsafe reader.nextRecordKey(), found.count < Self.maximumRecords {
        let store = call.store(reader.storePlace)
        // A put that depends on nothing needs no look.
        if !(reader.isPutOfAnything && store.indexes == nil) {
          store.prefix.fixed.append(to: &keys)
          keys.append(key)
          places.append(
            Key(
              end: keys.count, call: index, place: found.count,
              isConditional: reader.isConditional))
        }
        found.append(.unknown)
      }
      index += 1
    }
    end = index
  }

  /// - Parameter record: as it is stored; nil when there is none.
  private mutating func entries(
    of record: UnsafeRawBufferPointer?, _ storedKey: UnsafeRawBufferPointer, _ list: CommandList,
    _ place: Int, _ entries: inout EntryList, _ slots: inout RecordSlots
  ) -> Found {
    guard let record = unsafe record else { return .absent }
    // What was stored is kept, or asked whether it has ended, when it is executed.
    let store = list.calls[places[place].call].store
    if !places[place].isConditional, store.needsOldRecords { return .unknown }
    if places[place].isConditional {
      let start = records.count
      records.append(record)
      return .record(start..<records.count)
    }
    guard let indexes = list.calls[places[place].call].store.indexes else { return .unknown }
    let mark = entries.mark
    do throws(IndexEntryError) {
      try unsafe indexes.append(
        record, key: UnsafeRawBufferPointer(rebasing: storedKey[KeyPrefix.byteCount...]), &slots,
        to: &entries)
    } catch {
      // It is told when it is executed.
      entries.truncate(to: mark)
      return .unknown
    }
    return .entries(mark.entries..<entries.entries.count)
  }
}
