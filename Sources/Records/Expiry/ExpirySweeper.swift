import Bytes
import Dispatch
package import Engine
import Platform
import Synchronization

// SAFETY: what the engine lends to a visit is copied, or used before it returns; a list is not changed while its parts
// are read.

/// Deletes records that have ended, with their entries.
///
/// A thread looks ten times a second for what has ended since, by the index that each such model has for it, reads the
/// records ahead, and has the commit thread delete them in steps, which take turns with the groups of calls: each
/// record is looked at again there. After a step it rests three times as long as that took, so that deleting takes a
/// quarter of the commit thread at most.
///
/// Nobody waits for it: a record that has ended is absent for all calls from that moment on (``RecordExpiry``).
///
/// Thread-safety: `start` and `stop` once, in this order.
package final class ExpirySweeper: Sendable {
  /// Records of one step, at most.
  package static let stepRecords = 16
  /// Bytes of the records of a step, about.
  private static let stepBytes = 1 << 20
  private static let restFactor: UInt64 = 3
  private static let interval = DispatchTimeInterval.milliseconds(100)
  /// Every so many looks begin with the first entry: a record may be stored that had ended long ago.
  private static let looksFromCursor = 100

  private let stores: [ModelStore]
  private let engine: any StorageEngine
  private let commits: CommitQueue
  private let isStopping = Mutex(false)
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "expiry")

  /// - Parameter stores: of all models.
  package init(stores: [ModelStore], engine: any StorageEngine, commits: CommitQueue) {
    self.stores = stores.filter { $0.expiry != nil }
    self.engine = engine
    self.commits = commits
  }

  /// Begins to look, when a model has records that end.
  package func start() {
    if !stores.isEmpty { thread.start { [self] in run() } }
  }

  /// Ends after the step that is under way. Blocks until then.
  package func stop() {
    isStopping.withLock { $0 = true }
    wakeUp.signal()
    thread.join()
  }

  private func run() {
    var cursors = stores.map { _ in [UInt8]() }
    var looks = 0
    while !isStopping.withLock({ $0 }) {
      if looks % Self.looksFromCursor == 0 { cursors = stores.map { _ in [] } }
      looks += 1
      for (place, store) in stores.enumerated() { sweep(store, &cursors[place]) }
      _ = wakeUp.wait(timeout: .now() + Self.interval)
    }
  }

  /// Deletes all records of a model that have ended by now. What cannot be read or written is tried again later.
  private func sweep(_ store: ModelStore, _ cursor: inout [UInt8]) {
    while !isStopping.withLock({ $0 }) {
      let began = MonotonicClock.now()
      guard let count = try? step(store, &cursor), count > 0 else { return }
      let rest = (MonotonicClock.now() - began) * Self.restFactor
      _ = wakeUp.wait(timeout: .now() + .nanoseconds(Int(rest)))
    }
  }

  /// Deletes all records that have ended by now, without a thread. Blocks.
  ///
  /// - Returns: how many entries of such records were found.
  package func sweepNow() throws(EngineError) -> Int {
    var count = 0
    for store in stores {
      var cursor: [UInt8] = []
      while case let found = try step(store, &cursor), found > 0 { count += found }
    }
    return count
  }

  /// Deletes some records of a model that have ended by now.
  ///
  /// - Parameter cursor: the last entry that was seen; empty before.
  /// - Returns: how many entries of such records were found; 0 at the end.
  private func step(
    _ store: ModelStore, _ cursor: inout [UInt8]
  ) throws(EngineError) -> Int {
    let due = try due(store, after: cursor)
    guard let last = due.last else { return 0 }
    let keys = due.map(\.record)
    let failure = commits.runStep(
      { (batch, changes) throws(EngineError) in
        try Self.delete(keys, of: store, in: batch, &changes)
      }, {})
    if let failure { throw failure }
    cursor = last.entry
    return due.count
  }

  /// The next entries of records that have ended, with the stored keys of these, which are in memory then.
  private func due(
    _ store: ModelStore, after cursor: [UInt8]
  ) throws(EngineError) -> [(entry: [UInt8], record: [UInt8])] {
    guard let expiry = store.expiry, let index = store.indexes?.all.last, index.isReady else {
      return []
    }
    let plan = index.plan
    var upper = ByteWriter()
    plan.prefix.fixed.append(to: &upper)
    expiry.appendEnd(of: plan, to: &upper)
    let range = KeyRange(
      lower: cursor.isEmpty ? plan.prefix.bytes : cursor + [0], upper: upper.array())
    guard !range.isEmpty else { return [] }
    var due: [(entry: [UInt8], record: [UInt8])] = []
    _ = try engine.scan(
      range, direction: .ascending, limit: Self.stepRecords, snapshot: nil, tier: .any
    ) { key, value in
      if case .inKey(let place) = plan.keyPlace(key, value) {
        let record = unsafe UnsafeRawBufferPointer(rebasing: key[place])
        due.append((unsafe Array(key), store.prefix.key(record)))
      }
      return .next
    }
    // Read ahead, so that the commit thread need not wait for the disk.
    let keys = StoredKeys(ascending: due.map(\.record).sorted { $0.lexicographicallyPrecedes($1) })
    var bytes = 0
    var result = Result<Void, EngineError>.success(())
    keys.withKeys(first: due.count, fromEnd: false) { keys in
      do throws(EngineError) {
        _ = try engine.get(keys, snapshot: nil, tier: .any) { _, record in
          bytes += unsafe record?.count ?? 0
          return .next
        }
      } catch {
        result = .failure(error)
      }
    }
    try result.get()
    if bytes > Self.stepBytes {
      due.removeLast(due.count - max(1, due.count * Self.stepBytes / bytes))
    }
    return due
  }

  /// Appends what deletes those that have ended still. On the commit thread.
  private static func delete(
    _ keys: [[UInt8]], of store: ModelStore, in batch: WriteBatch, _ changes: inout ChangeWriter
  ) throws(EngineError) {
    guard let expiry = store.expiry, let indexes = store.indexes else { return }
    var slots = RecordSlots()
    var entries = EntryList()
    for stored in keys {
      guard let record = try store.engine.value(forKey: stored) else { continue }
      unsafe record.withUnsafeBytes { record in
        guard expiry.hasPassed(record) else { return }
        unsafe stored.withUnsafeBytes { stored in
          let key = unsafe UnsafeRawBufferPointer(rebasing: stored[KeyPrefix.byteCount...])
          let isDeleted = indexes.appendDeletion(
            of: record, key: key, &slots, &entries, store.prefix, to: batch)
          guard isDeleted else { return }
          unsafe changes.append(
            .expired, key, old: record, record: UnsafeRawBufferPointer(start: nil, count: 0),
            of: store, to: batch)
        }
      }
    }
  }
}
