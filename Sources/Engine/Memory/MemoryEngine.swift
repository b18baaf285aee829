import Synchronization

/// The contract in its shortest form: a sorted array. The model the other engines are compared with.
///
/// It keeps nothing: there is no log and no file. Writes are O(n). Nothing ever blocks, so ``ReadTier/memory``
/// reads always answer.
///
/// Thread-safety: the state is a value behind a mutex; reads take a copy of it (copy-on-write) and run
/// outside the lock.
// SAFETY: Bytes that come in are copied into arrays; bytes that go out are an array's, which is held until
// `visit` returns.
package final class MemoryEngine: StorageEngine {
  private let state = Mutex(State())

  /// It has nothing to compact.
  package var traits: EngineTraits { EngineTraits(compactsDeletedRanges: true) }

  package init() {}

  @safe
  package func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    let records = try records(snapshot)
    let key = unsafe Array(key)
    let index = records.index(of: key)
    guard index < records.entries.count, records.entries[index].key == key else { return .absent }
    unsafe records.entries[index].value.withUnsafeBytes(visit)
    return .found
  }

  @safe
  package func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier,
    _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    precondition(limit >= 0, "the limit of a scan is not negative")
    let records = try records(snapshot)
    if limit == 0 { return .limitReached }
    let indices = records.indices(of: range)
    var visited = 0
    for position in indices {
      let index =
        direction == .ascending
        ? position : indices.upperBound - 1 - (position - indices.lowerBound)
      let entry = records.entries[index]
      let step = unsafe entry.key.withUnsafeBytes { key in
        unsafe entry.value.withUnsafeBytes { unsafe visit(key, $0) }
      }
      if step == .stop { return .stopped }
      visited += 1
      if visited == limit { return .limitReached }
    }
    return .complete
  }

  package func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    try state.withLock { (state) throws(EngineError) in
      guard !state.isClosed else { throw .closed }
      if let reason = state.refusal { throw .readOnly(reason: reason) }
      // On a copy, so that a malformed batch changes nothing.
      var records = state.records
      try batch.visitEntries { records.apply($0) }
      state.records = records
      state.lastSequence += UInt64(batch.count)
    }
  }

  package func snapshot() throws(EngineError) -> any EngineSnapshot {
    Snapshot(of: self, records: try records(nil))
  }

  package func lastSequence() throws(EngineError) -> UInt64 {
    try state.withLock { (state) throws(EngineError) in
      guard !state.isClosed else { throw .closed }
      return state.lastSequence
    }
  }

  package func writeState() -> WriteState {
    state.withLock { $0.refusal.map { .refused(reason: $0) } ?? .open }
  }

  package func refuseWrites(_ reason: String) {
    state.withLock { if $0.refusal == nil { $0.refusal = reason } }
  }

  package func statistics() throws(EngineError) -> EngineStatistics {
    let records = try records(nil)
    var statistics = EngineStatistics()
    statistics.estimatedKeyCount = UInt64(records.entries.count)
    statistics.memtableBytes = records.entries.reduce(0) {
      $0 + UInt64($1.key.count + $1.value.count)
    }
    return statistics
  }

  package func close() throws(EngineError) {
    state.withLock { state in
      state.isClosed = true
      state.records = Records()
    }
  }

  private func records(_ snapshot: (any EngineSnapshot)?) throws(EngineError) -> Records {
    let current = try state.withLock { (state) throws(EngineError) in
      guard !state.isClosed else { throw EngineError.closed }
      return state.records
    }
    guard let snapshot else { return current }
    guard let own = snapshot as? Snapshot, own.engine === self else { throw .foreignSnapshot }
    return own.records
  }

  private struct State: Sendable {
    var records = Records()
    var lastSequence: UInt64 = 0
    var refusal: String?
    var isClosed = false
  }

  private final class Snapshot: EngineSnapshot {
    let engine: MemoryEngine
    let records: Records

    init(of engine: MemoryEngine, records: Records) {
      self.engine = engine
      self.records = records
    }
  }
}

/// Records in key order, each key once.
private struct Records: Sendable {
  var entries: [(key: [UInt8], value: [UInt8])] = []

  /// The index of the first entry whose key is `key` or comes after it. O(log n).
  func index(of key: [UInt8]) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].key.lexicographicallyPrecedes(key) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  func indices(of range: KeyRange) -> Range<Int> {
    if range.isEmpty { return 0..<0 }
    return index(of: range.lower)..<(range.upper.map { index(of: $0) } ?? entries.count)
  }

  mutating func apply(_ entry: WriteBatch.Entry) {
    switch entry {
    case .put(let key, let value):
      let key = unsafe Array(key)
      let index = index(of: key)
      if index < entries.count && entries[index].key == key {
        entries[index].value = unsafe Array(value)
      } else {
        unsafe entries.insert((key, Array(value)), at: index)
      }
    case .delete(let key):
      let key = unsafe Array(key)
      let index = index(of: key)
      if index < entries.count && entries[index].key == key { entries.remove(at: index) }
    case .deleteRange(let lower, let upper):
      unsafe entries.removeSubrange(indices(of: KeyRange(lower: Array(lower), upper: Array(upper))))
    }
  }
}
