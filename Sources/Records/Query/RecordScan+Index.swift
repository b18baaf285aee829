import Bytes
import Engine
import Schema

// SAFETY: what a chunk lends is used before the chunk changes; a value that the engine lends until the visit returns.

/// Of records with several entries, the first one that was asked for: a record of a thousand elements is taken apart
/// once, and not for each of its entries.
struct FirstEntries: Sendable {
  /// Records that are kept; then it begins anew.
  private static let maximumCount = 8192

  private var entries: [[UInt8]: [UInt8]] = [:]

  subscript(record: [UInt8]) -> [UInt8]? { entries.isEmpty ? nil : entries[record] }

  mutating func note(_ entry: [UInt8], of record: [UInt8]) {
    if entries.count == Self.maximumCount { entries.removeAll(keepingCapacity: true) }
    entries[record] = entry
  }
}

/// Records by an index: entries, then the records that they name, all of one moment.
extension RecordScan {
  /// As of a range, the first run takes no snapshot: what it has read is of one moment when nothing was written
  /// meanwhile, else it is read anew under one.
  mutating func run(
    _ reading: IndexReading, _ tier: ReadTier, _ budget: ReadBudget, _ start: Int,
    _ response: inout ByteWriter, _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    let engine = store.engine
    if snapshot == nil && limits.hasSeveralAnswers { snapshot = try engine.snapshot() }
    guard snapshot == nil else {
      return try read(reading, tier, budget, start, &response, isCancelled)
    }
    let firstSource = source
    let sequence = try engine.lastSequence()
    var pause = try read(reading, tier, budget, start, &response, isCancelled)
    if pause == .budgetSpent { snapshot = try engine.snapshot() }
    if pause != .wouldBlock, try engine.lastSequence() == sequence { return pause }
    beginAnew(firstSource, start, &response)
    if pause == .wouldBlock || pause == .budgetSpent || pause == .cancelled { return pause }
    snapshot = try engine.snapshot()
    pause = try read(reading, tier, budget, start, &response, isCancelled)
    if pause == .wouldBlock {
      // The thread that may block takes a moment of its own.
      snapshot = nil
      beginAnew(firstSource, start, &response)
    }
    return pause
  }

  private mutating func beginAnew(
    _ firstSource: RecordSource, _ start: Int, _ response: inout ByteWriter
  ) {
    source = firstSource
    oversizedRecord = nil
    missingRecord = []
    takeBack(start, &response)
  }

  private mutating func read(
    _ reading: IndexReading, _ tier: ReadTier, _ budget: ReadBudget, _ start: Int,
    _ response: inout ByteWriter, _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    // A look-up costs as much as several records of a scan.
    let records = reading.isCovered ? budget.records : max(1, budget.records / 4)
    var visitor = Visitor(
      self,
      ReadBudget(records: records, bytes: budget.bytes, visitedBytes: budget.visitedBytes), start,
      response.count)
    var slots = RecordSlots()
    var list = EntryList()
    firstEntries = FirstEntries()
    defer { firstEntries = FirstEntries() }
    lookUps = 0
    var (pause, seen) = (Pause.complete, 0)
    reading: while true {
      var chunk = EntryChunk()
      let outcome = try gather(&chunk, reading, tier)
      lookUps += Self.lookUpsOfSeek
      var isBlocked = false
      var processed = 0
      pause = try answer(
        chunk, reading, tier, &visitor, &slots, &list, &processed, &isBlocked, &response,
        isCancelled)
      seen += processed
      if processed == chunk.entries.count && !isBlocked && pause == .complete {
        if let last = chunk.lastKey { source.skip(to: last, isDescending: isDescending) }
      } else if processed > 0 {
        let last = unsafe Array(chunk.key(chunk.entries[processed - 1]))
        source.skip(to: last, isDescending: isDescending)
      }
      if isBlocked { pause = .wouldBlock }
      guard pause == .complete else { break reading }
      switch outcome {
      case .complete: break reading
      case .wouldBlock:
        pause = .wouldBlock
        break reading
      case .limitReached, .stopped:
        // Entries of records that were answered before count too.
        guard seen < budget.records else {
          pause = .budgetSpent
          break reading
        }
      }
    }
    lookUps += reading.isCovered ? seen / 16 : seen
    if let failure = visitor.failure { throw failure }
    if visitor.hasMoved { lastKey = visitor.lastKey.array() }
    recordCount = visitor.recordCount
    return pause
  }

  // MARK: - Entries

  /// Reads the next entries.
  ///
  /// - Returns: `complete` when there are no more.
  private func gather(
    _ chunk: inout EntryChunk, _ reading: IndexReading, _ tier: ReadTier
  ) throws(EngineError) -> ScanOutcome {
    switch source {
    case .range(let range): return try gather(range, &chunk, reading, tier)
    case .ranges(let ranges):
      var left = ranges
      while let range = isDescending ? left.popLast() : left.popFirst() {
        let outcome = try gather(range, &chunk, reading, tier)
        guard outcome == .complete else { return outcome }
      }
      return .complete
    case .keys(let keys): return try gather(keys, &chunk, reading, tier)
    }
  }

  private func gather(
    _ range: KeyRange, _ chunk: inout EntryChunk, _ reading: IndexReading, _ tier: ReadTier
  ) throws(EngineError) -> ScanOutcome {
    var isDamaged = false
    let outcome = try store.engine.scan(
      range, direction: isDescending ? .descending : .ascending,
      limit: EntryChunk.maximumCount - chunk.entries.count, snapshot: snapshot, tier: tier
    ) { key, value in
      guard chunk.append(key, value, reading.index.plan) else {
        isDamaged = true
        return .stop
      }
      return .next
    }
    if isDamaged { throw damagedEntry(reading) }
    if let last = chunk.entries.last { chunk.lastKey = unsafe Array(chunk.key(last)) }
    return outcome
  }

  private func gather(
    _ keys: StoredKeys, _ chunk: inout EntryChunk, _ reading: IndexReading, _ tier: ReadTier
  ) throws(EngineError) -> ScanOutcome {
    let count = min(keys.count, EntryChunk.maximumCount)
    guard count > 0 else { return .complete }
    var isDamaged = false
    var result = Result<ScanOutcome, EngineError>.success(.complete)
    let (engine, snapshot) = (store.engine, snapshot)
    var visited: [UInt8]?
    keys.withKeys(first: count, fromEnd: isDescending) { keys in
      do throws(EngineError) {
        result = .success(
          try engine.get(keys, snapshot: snapshot, tier: tier) { index, value in
            if let value = unsafe value,
              !(unsafe chunk.append(keys[index], value, reading.index.plan))
            {
              isDamaged = true
              return .stop
            }
            visited = unsafe Array(keys[index])
            return .next
          })
      } catch {
        result = .failure(error)
      }
    }
    chunk.lastKey = visited
    let outcome = try result.get()
    if isDamaged { throw damagedEntry(reading) }
    return outcome == .complete && count < keys.count ? .limitReached : outcome
  }

  private func damagedEntry(_ reading: IndexReading) -> EngineError {
    .corruption(
      EngineError.Failure(
        operation: .scan, directory: "index \(reading.index.plan.index.name)",
        detail: "an entry names no record"))
  }

  // MARK: - Records

  /// Appends the records of a chunk.
  ///
  /// - Parameters:
  ///   - processed: entries that need no second look.
  ///   - isBlocked: set when the next record is not where the tier may look.
  private mutating func answer(
    _ chunk: borrowing EntryChunk, _ reading: IndexReading, _ tier: ReadTier,
    _ visitor: inout Visitor, _ slots: inout RecordSlots, _ list: inout EntryList,
    _ processed: inout Int, _ isBlocked: inout Bool, _ response: inout ByteWriter,
    _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    if reading.isCovered {
      for entry in chunk.entries {
        if isCancelled() { return .cancelled }
        guard let included = reading.index.plan.included(in: chunk.value(entry)) else {
          throw damagedEntry(reading)
        }
        let step = try visit(
          chunk, entry, included, reading, &visitor, &slots, &list, &response)
        if step == .stop { return visitor.pause }
        processed += 1
      }
      return .complete
    }
    var keys = ByteWriter(capacity: 1 << 10)
    var ends: [Int] = []
    for entry in chunk.entries {
      store.prefix.fixed.append(to: &keys)
      keys.append(chunk.part(entry.recordKey))
      ends.append(keys.count)
    }
    var (pause, failure) = (Pause.complete, EngineError?.none)
    var missing: Int?
    var outcome = ScanOutcome.complete
    let bytes = unsafe keys.bytes
    let (engine, snapshot) = (store.engine, snapshot)
    unsafe withUnsafeTemporaryAllocation(
      of: UnsafeRawBufferPointer.self, capacity: max(ends.count, 1)
    ) { places in
      for index in ends.indices {
        let from = index == 0 ? 0 : ends[index - 1]
        unsafe places.initializeElement(
          at: index, to: UnsafeRawBufferPointer(rebasing: bytes[from..<ends[index]]))
      }
      let wanted = unsafe UnsafeBufferPointer(rebasing: places[..<ends.count])
      do throws(EngineError) {
        outcome = try engine.get(wanted, snapshot: snapshot, tier: tier) { index, value in
          if isCancelled() {
            pause = .cancelled
            return .stop
          }
          guard let value = unsafe value else {
            missing = index
            return .stop
          }
          do throws(EngineError) {
            let step = try visit(
              chunk, chunk.entries[index], value, reading, &visitor, &slots, &list, &response)
            if step == .stop {
              pause = visitor.pause
              return .stop
            }
            processed = index + 1
            return .next
          } catch {
            failure = error
            return .stop
          }
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    if let missing {
      let entry = chunk.entries[missing]
      missingRecord = unsafe Array(chunk.part(entry.recordKey))
      return .corruptIndex
    }
    isBlocked = outcome == .wouldBlock
    return pause
  }

  /// Takes one record, unless another entry of it comes first.
  ///
  /// - Parameter record: all of it, or what the entry includes.
  @safe
  private mutating func visit(
    _ chunk: borrowing EntryChunk, _ entry: EntryChunk.Entry, _ record: UnsafeRawBufferPointer,
    _ reading: IndexReading, _ visitor: inout Visitor, _ slots: inout RecordSlots,
    _ list: inout EntryList, _ response: inout ByteWriter
  ) throws(EngineError) -> ScanStep {
    let key = chunk.key(entry)
    if reading.mayRepeat,
      try !isFirstEntry(
        key, of: record, chunk.part(entry.recordKey), reading, &slots, &list)
    {
      return .next
    }
    let step = visitor.visit(key, record, &response)
    if step == .stop, visitor.pause == .tooLarge, !visitor.refusedKey.isEmpty {
      oversizedRecord = OversizedRecord(
        key: unsafe Array(chunk.part(entry.recordKey)),
        pageToken: limits.isPaged
          ? String(decoding: pageToken(after: visitor.refusedKey), as: UTF8.self) : nil)
    }
    return step
  }

  /// Whether an entry is the first of its record among those that were asked for, in the order of the read.
  @safe
  private mutating func isFirstEntry(
    _ key: UnsafeRawBufferPointer, of record: UnsafeRawBufferPointer,
    _ recordKey: UnsafeRawBufferPointer, _ reading: IndexReading, _ slots: inout RecordSlots,
    _ list: inout EntryList
  ) throws(EngineError) -> Bool {
    let owner = unsafe Array(recordKey)
    if let first = firstEntries[owner] {
      return unsafe first.withUnsafeBytes { unsafe $0.elementsEqual(key) }
    }
    list.removeAll()
    guard let indexes = store.indexes,
      let place = indexes.all.firstIndex(where: { $0 === reading.index })
    else { return true }
    do throws(IndexEntryError) {
      try indexes.append(record, key: recordKey, &slots, inIndex: place, to: &list)
    } catch {
      throw .corruption(
        EngineError.Failure(
          operation: .scan, directory: "index \(reading.index.plan.index.name)",
          detail: "a record has an entry that it cannot have"))
    }
    let entries = isDescending ? list.entries.reversed() : list.entries
    for entry in entries {
      let first = unsafe Array(list.key(entry))
      guard reading.asked.contains(first) else { continue }
      if entries.count > 1 { firstEntries.note(first, of: owner) }
      return unsafe list.key(entry).elementsEqual(key)
    }
    return true
  }
}
