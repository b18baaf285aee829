import Bytes
import Dispatch
package import Engine
package import Logging
import Platform
import Schema
import Synchronization

// SAFETY: what the engine lends to a visit is copied, or used before it returns; a list is not changed while its parts
// are read.

/// Builds indexes that were added to models with records, while the server serves.
///
/// In steps: some records from the cursor on get their entries, in one batch with the cursor, on the commit thread.
/// So a build goes on where it was after any crash, and at every moment the records up to the cursor have all their
/// entries and those after it none. Writes keep the entries of the former and leave the latter to the builder.
///
/// A thread of the builder reads ahead, so that a step finds its records in memory. While others write, it rests after
/// each step: four times as long as the step and its reading took, so that they keep four fifths of the commit thread.
///
/// Thread-safety: `buildSmall`, `start` and `stop` once, in this order.
package final class IndexBuilder: Sendable {
  /// Records of one step, at most.
  static let stepRecords = 256
  /// What a step takes, about, in nanoseconds.
  private static let stepTime: UInt64 = 1_000_000
  /// Bytes of the entries of a step, about.
  private static let stepBytes = 1 << 20
  /// An index of so many records is built before the server listens.
  private static let smallCount: UInt64 = 10_000
  /// Reasons of a failure that are kept.
  static let maximumReasons = 100
  /// Records that are counted before a rest.
  private static let countedRecords = 4096
  /// A rest is so many times as long as the work before it.
  private static let restFactor: UInt64 = 4
  private static let progressInterval: UInt64 = 10_000_000_000
  /// After a step that failed, in nanoseconds.
  private static let retryInterval = 1_000_000_000

  private let stores: [ModelStore]
  private let engine: any StorageEngine
  private let commits: CommitQueue
  private let catalogue: Catalogue
  private let logger: Logger
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "index-builder")

  private struct State {
    var isStopping = false
    /// What the catalogue has of each index that is being built.
    var stored: [UInt32: StoredIndex] = [:]
  }

  /// - Parameter stores: of all models.
  package init(
    stores: [ModelStore], engine: any StorageEngine, commits: CommitQueue, directory: String,
    logger: Logger
  ) {
    self.stores = stores.filter { $0.indexes != nil }
    self.engine = engine
    self.commits = commits
    catalogue = Catalogue(engine: engine, directory: directory)
    self.logger = logger
  }

  private static func building(_ store: ModelStore) -> [OpenIndex] {
    store.indexes?.all.filter { if case .building = $0.state { true } else { false } } ?? []
  }

  private var hasWork: Bool { stores.contains { !Self.building($0).isEmpty } }

  /// Loads what is to be built, and builds what is small. Blocks.
  package func buildSmall() {
    guard hasWork else { return }
    do throws(DatabaseError) {
      let stored = try catalogue.storedIndexes()
      state.withLock { state in
        for (id, index) in stored where index.state == .building { state.stored[id] = index }
      }
    } catch {
      logger.error("indexes cannot be built", metadata: ["error": "\(error)"])
      return
    }
    for store in stores {
      var seen: UInt64 = 0
      while seen < Self.smallCount, !Self.building(store).isEmpty {
        guard case .done(let count) = step(store) else { return }
        seen += UInt64(count)
      }
    }
  }

  /// Builds everything. Blocks.
  ///
  /// - Parameter progress: gets the name of a model, and how many of its records are done.
  /// - Throws: what kept it from going on; the next call does.
  package func buildAll(_ progress: (String, UInt64) -> Void) throws(EngineError) {
    buildSmall()
    for store in stores {
      while let index = Self.building(store).first {
        if case .failed(let error) = step(store) { throw error }
        if case .building(let done, _) = index.state { progress(store.model.name, done) }
      }
    }
  }

  /// Begins to build the others.
  package func start() {
    if hasWork { thread.start { [self] in run() } }
  }

  /// Ends after the step that is under way. Blocks until then.
  package func stop() {
    state.withLock { $0.isStopping = true }
    wakeUp.signal()
    thread.join()
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }

  private func run() {
    for store in stores where !Self.building(store).isEmpty { build(store) }
  }

  private func build(_ store: ModelStore) {
    let total = count(store)
    let names = Self.building(store).map(\.plan.index.name).joined(separator: ", ")
    let model = store.model.name
    logger.notice(
      "building indexes",
      metadata: ["model": "\(model)", "indexes": "\(names)", "records": "\(total)"])
    state.withLock { state in
      for index in Self.building(store) { state.stored[index.id]?.total = total }
    }
    var isHeldUp = false
    var told = MonotonicClock.now()
    var groups = commits.takenGroups
    while !isStopping, !Self.building(store).isEmpty {
      let start = MonotonicClock.now()
      readAhead(store)
      if case .failed(let error) = step(store) {
        // A full disk is one until somebody has made room.
        if !isHeldUp {
          logger.error(
            "an index cannot be built for now; it is tried again",
            metadata: ["model": "\(model)", "error": "\(error)"])
        }
        isHeldUp = true
        _ = wakeUp.wait(timeout: .now() + .nanoseconds(Self.retryInterval))
        continue
      }
      isHeldUp = false
      let end = MonotonicClock.now()
      if end - told > Self.progressInterval, let index = Self.building(store).first,
        case .building(let done, _) = index.state
      {
        told = end
        logger.notice(
          "building indexes",
          metadata: ["model": "\(model)", "done": "\(done)", "records": "\(total)"])
      }
      rest(after: end - start, groups: &groups)
    }
  }

  /// Rests after work of `time` nanoseconds, if others wrote since the rest before it began.
  ///
  /// - Parameter groups: groups of commits that were taken by then, which becomes those that are taken now.
  private func rest(after time: UInt64, groups: inout Int) {
    let now = commits.takenGroups
    if now != groups {
      _ = wakeUp.wait(timeout: .now() + .nanoseconds(Int(Self.restFactor * time)))
    }
    groups = now
  }

  private func count(_ store: ModelStore) -> UInt64 {
    var count: UInt64 = 0
    var (range, isAtEnd) = (store.prefix.all, false)
    var groups = commits.takenGroups
    while !isAtEnd, !isStopping {
      let start = MonotonicClock.now()
      var (piece, last): (Int, [UInt8]) = (0, [])
      let outcome = try? engine.scan(
        range, direction: .ascending, limit: Self.countedRecords, snapshot: nil, tier: .any
      ) { key, _ in
        piece += 1
        if piece == Self.countedRecords { last = unsafe Array(key) }
        return .next
      }
      count += UInt64(piece)
      isAtEnd = outcome == nil || piece < Self.countedRecords
      if !isAtEnd { range.lower = last + [0] }
      rest(after: MonotonicClock.now() - start, groups: &groups)
    }
    return count
  }

  /// Has what the next step needs in memory.
  private func readAhead(_ store: ModelStore) {
    guard
      let cursor = Self.building(store).map(\.cursor).min(by: { $0.lexicographicallyPrecedes($1) })
    else { return }
    _ = try? engine.scan(
      Self.range(after: cursor, store), direction: .ascending, limit: Self.stepRecords,
      snapshot: nil, tier: .any
    ) { _, _ in .next }
  }

  private static func range(after cursor: [UInt8], _ store: ModelStore) -> KeyRange {
    var range = store.prefix.all
    if !cursor.isEmpty { range.lower = store.prefix.key(cursor) + [0] }
    return range
  }

  // MARK: - A step

  /// What a step came to.
  private enum Step {
    /// So many records were looked at.
    case done(Int)
    /// Nothing of it is stored.
    case failed(EngineError)
  }

  /// What becomes of an index with a step, once that is stored.
  private struct Move {
    let index: OpenIndex
    let stored: StoredIndex
  }

  private func step(_ store: ModelStore) -> Step {
    let made = Mutex<(count: Int, moves: [Move])>((0, []))
    let error = commits.runStep(
      { [self] (batch, _) throws(EngineError) in
        let step = try make(store, in: batch)
        made.withLock { $0 = step }
      },
      { [self] in
        for move in made.withLock({ $0.moves }) {
          state.withLock { $0.stored[move.index.id] = move.stored }
          move.index.become(move.stored.openState, cursor: move.stored.cursor)
          tell(move, store)
        }
      })
    if let error { return .failed(error) }
    return .done(made.withLock { $0.count })
  }

  private func tell(_ move: Move, _ store: ModelStore) {
    let metadata: Logger.Metadata = [
      "model": "\(store.model.name)", "index": "\(move.stored.name)",
    ]
    switch move.stored.state {
    case .building: break
    case .ready: logger.notice("an index is built", metadata: metadata)
    case .failed:
      logger.error(
        "an index cannot be built: \(move.stored.reasons.joined(separator: "; ")). Mend the records, then restart the server",
        metadata: metadata)
    }
  }

  /// An entry of the records of a step.
  private struct Made {
    let place: Int
    let entry: EntryList.Entry
    let key: [UInt8]
  }

  /// Puts the entries of the next records into a batch, on the commit thread.
  private func make(
    _ store: ModelStore, in batch: WriteBatch
  ) throws(EngineError) -> (count: Int, moves: [Move]) {
    guard let indexes = store.indexes else { return (0, []) }
    let building = indexes.all.indices.filter { place in
      if case .building = indexes.all[place].state { true } else { false }
    }
    let cursors = building.map { indexes.all[$0].cursor }
    guard let cursor = cursors.min(by: { $0.lexicographicallyPrecedes($1) }) else { return (0, []) }
    let group = zip(building, cursors).filter { $1 == cursor }.map { $0.0 }
    var range = Self.range(after: cursor, store)
    // Those that are further on wait for these.
    let further = cursors.filter { $0 != cursor }.min { $0.lexicographicallyPrecedes($1) }
    if let further { range.upper = store.prefix.key(further) + [0] }
    var stored: [Int: StoredIndex] = [:]
    state.withLock { state in
      for place in group { stored[place] = state.stored[indexes.all[place].id] }
    }
    var list = EntryList()
    var slots = RecordSlots()
    var made: [Made] = []
    var (count, lastKey) = (0, cursor)
    let start = MonotonicClock.now()
    var reasons: [(place: Int, text: String)] = []
    let outcome = try engine.scan(
      range, direction: .ascending, limit: Self.stepRecords, snapshot: nil, tier: .any
    ) { storedKey, record in
      let key = unsafe UnsafeRawBufferPointer(rebasing: storedKey[KeyPrefix.byteCount...])
      lastKey = unsafe Array(key)
      for place in group {
        let mark = list.mark
        do throws(IndexEntryError) {
          try indexes.append(record, key: key, &slots, inIndex: place, to: &list)
          for entry in list.entries[mark.entries...] {
            made.append(Made(place: place, entry: entry, key: lastKey))
          }
        } catch {
          list.truncate(to: mark)
          reasons.append((place, Self.reason(error, key, store)))
        }
      }
      count += 1
      if list.bytes.count > Self.stepBytes { return .stop }
      return count & 15 == 0 && MonotonicClock.now() - start > Self.stepTime ? .stop : .next
    }
    try put(made, list, indexes, store, in: batch, &reasons)
    let isAtEnd = outcome == .complete && further == nil
    if outcome == .complete, let further { lastKey = further }
    let moves = group.map { place in
      var next =
        stored[place]
        ?? StoredIndex(.building, modelID: store.prefix.model, indexes.all[place].plan.index)
      next.done += UInt64(count)
      next.total = max(next.total, next.done)
      next.cursor = lastKey
      for (_, text) in reasons.filter({ $0.place == place })
      where next.reasons.count < Self.maximumReasons {
        next.reasons.append(text)
      }
      let prefix = indexes.all[place].plan.prefix
      if isAtEnd {
        next.cursor = []
        next.state = next.reasons.isEmpty ? .ready : .failed
        if next.state == .failed { batch.deleteRange(prefix.all) }
      }
      batch.put(Catalogue.indexKey(indexes.all[place].id), next.bytes())
      return Move(index: indexes.all[place], stored: next)
    }
    return (count, moves)
  }

  private func put(
    _ made: [Made], _ list: borrowing EntryList, _ indexes: ModelIndexes, _ store: ModelStore,
    in batch: WriteBatch, _ reasons: inout [(place: Int, text: String)]
  ) throws(EngineError) {
    var holders: [[UInt8]: [UInt8]] = [:]
    for each in made {
      let (key, value) = (list.key(each.entry), list.value(each.entry))
      let plan = indexes.all[each.place].plan
      if plan.index.isUnique {
        let entryKey = unsafe Array(key)
        var holder = holders[entryKey]
        if holder == nil {
          _ = try engine.get(key, snapshot: nil, tier: .any) { value in
            holder = unsafe plan.holder(value).map { unsafe Array($0) }
          }
        }
        if let holder, holder != each.key {
          reasons.append(
            (
              each.place,
              "records with \(store.text(ofKey: holder)) and \(store.text(ofKey: each.key)) have the same \(plan.index.text)"
            ))
          continue
        }
        holders[entryKey] = each.key
      }
      batch.put(key, value)
    }
  }

  @safe
  private static func reason(
    _ error: IndexEntryError, _ key: UnsafeRawBufferPointer, _ store: ModelStore
  ) -> String {
    let column = store.indexes?.all[error.index].plan.index.columns[error.column].name ?? ""
    let what =
      switch error.reason {
      case .outOfRange: "\(column) is out of the range of its type"
      case .tooLong(let count):
        "\(column) is too long: the index takes \(IndexPlan.maximumColumnBytes) bytes, and these are \(count)"
      case .tooLarge: "its entries have more than \(IndexPlan.maximumEntryBytes >> 20) MiB"
      case .tooManyElements:
        "\(column) has more than \(ModelIndex.maximumElements) elements"
      case .malformed: "it is no message"
      }
    return unsafe "record with \(store.text(ofKey: Array(key))): \(what)"
  }
}

extension ModelStore {
  /// A key as people read it: `pk "a"`.
  package func text(ofKey key: [UInt8]) -> String {
    let text =
      keyPlan?.text(ofKey: key)
      ?? "\(model.key.text) \"\(String(decoding: key, as: UTF8.self))\""
    return text.utf8.count <= 256 ? text : text.prefix(64) + "…"
  }
}
