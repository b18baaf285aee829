package import Bytes
package import Engine
import Schema

// SAFETY: a key that the array or the engine lends is used until the visit returns. The last key has its prefix, so
// that what follows the prefix is there.

/// One read of several records, which can stop and go on where it was, on any thread: all of it sees one moment.
///
/// The first run of a range takes no snapshot, which costs more than a short read. If its budget is spent before its
/// end a snapshot is taken then; should something have been written during that run, the answer begins anew under it.
/// When the disk is in its way the answer begins anew without one.
///
/// Thread-safety: a value; one thread runs it at a time.
package struct RecordScan: Sendable {
  /// What is answered.
  enum Form: Sendable {
    /// The records as they are stored.
    case records
    case shaped(RecordShape)
    /// Their number alone.
    case count
  }

  /// Why ``run(tier:budget:start:into:isCancelled:)`` returned.
  package enum Pause: Sendable, Equatable {
    /// All records are in the answer.
    case complete
    /// The answer is as large as it may be, and more records are there.
    case pageFull
    /// The answer would be larger than it may be; see ``oversizedRecord``.
    case tooLarge
    /// What comes next is not where the tier may look.
    case wouldBlock
    case budgetSpent
    case cancelled
    /// An entry of an index names a record that is not there, see ``missingRecord``.
    case corruptIndex
  }

  let store: ModelStore
  /// What has not been visited, apart from what is before `lastKey`.
  var source: RecordSource
  let isDescending: Bool
  private let form: Form
  let limits: AnswerLimits
  private let queryHash: UInt64
  var snapshot: (any EngineSnapshot)?
  /// The stored key of the last record of this answer; empty before the first.
  var lastKey: [UInt8] = []
  /// Records of this answer.
  var recordCount = 0
  /// After `tooLarge`, when the answer's first record is too large for any answer.
  package internal(set) var oversizedRecord: OversizedRecord?
  /// After `corruptIndex`, the key without its prefix.
  package internal(set) var missingRecord: [UInt8] = []
  /// How the records are found; nil by their keys.
  private let reading: IndexReading?
  /// While entries are read.
  var firstEntries = FirstEntries()

  /// What the last run cost, in look-ups of single records: a range counts by the bytes it has seen.
  package internal(set) var lookUps = 0
  private static let lookUpBytes = 16 << 10
  /// To find where a range begins takes a block of each of several tables.
  static let lookUpsOfSeek = 4

  /// A record that is larger than an answer may be.
  package struct OversizedRecord: Sendable {
    /// Without its prefix.
    package let key: [UInt8]
    /// Where a query goes on after it; nil when the query has no pages.
    package let pageToken: String?
  }

  init(
    store: ModelStore, source: RecordSource, isDescending: Bool, form: Form, limits: AnswerLimits,
    queryHash: UInt64 = 0, reading: IndexReading? = nil
  ) {
    self.store = store
    self.source = source
    self.isDescending = isDescending
    self.form = form
    self.limits = limits
    self.queryHash = queryHash
    self.reading = reading
  }

  /// Goes on until all is answered or something is in the way, and appends to the answer.
  ///
  /// After `wouldBlock` and `budgetSpent` the answer goes on where it was, or begins anew. After `pageFull` the next
  /// call begins a new answer.
  ///
  /// - Parameters:
  ///   - response: has nothing but this answer after `start`.
  ///   - start: where in `response` the answer began.
  ///   - isCancelled: asked before each record.
  /// - Throws: when stored bytes cannot be read, or are no record.
  package mutating func run(
    tier: ReadTier, budget: ReadBudget, start: Int, into response: inout ByteWriter,
    isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    if let reading, !reading.answersValues {
      return try run(reading, tier, budget, start, &response, isCancelled)
    }
    switch source {
    case .range(let range):
      return try run(range, tier, budget, start, &response, isCancelled)
    case .ranges: return try runRanges(tier, budget, start, &response, isCancelled)
    case .keys(let keys):
      return try run(keys, tier, budget, start, &response, isCancelled)
    }
  }

  // MARK: - The answer's end

  /// Appends what is after the records: the count, or where the next page begins.
  ///
  /// - Parameter pause: `complete` or `pageFull`.
  package mutating func finishAnswer(_ pause: Pause, into response: inout ByteWriter) {
    if case .count = form {
      if recordCount > 0 {
        response.appendField(ModelStore.ListField.count, varint: UInt64(recordCount))
      }
    } else if pause == .pageFull {
      response.appendField(ModelStore.ListField.nextPageToken, pageToken(after: lastKey))
    }
    recordCount = 0
  }

  /// Where another query goes on after the last answer; nil before the first one.
  package var nextPageToken: String? {
    lastKey.isEmpty ? nil : String(decoding: pageToken(after: lastKey), as: UTF8.self)
  }

  /// - Parameter lastKey: a stored key.
  func pageToken(after lastKey: [UInt8]) -> [UInt8] {
    unsafe lastKey.withUnsafeBytes { key in
      unsafe PageToken.text(
        query: queryHash, lastKey: UnsafeRawBufferPointer(rebasing: key[KeyPrefix.byteCount...]),
        hash: store.hash)
    }
  }
}

// MARK: - A range

extension RecordScan {
  private mutating func run(
    _ range: KeyRange, _ tier: ReadTier, _ budget: ReadBudget, _ start: Int,
    _ response: inout ByteWriter, _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    let engine = store.engine
    // Most reads end with their first run, and one run sees one moment by itself: a snapshot would be for nothing.
    var unchangedSince: UInt64?
    if snapshot == nil && !limits.hasSeveralAnswers {
      unchangedSince = try engine.lastSequence()
    } else if snapshot == nil {
      snapshot = try engine.snapshot()
    }
    var visitor = Visitor(self, budget, start, response.count)
    let outcome = try engine.scan(
      range, direction: isDescending ? .descending : .ascending, limit: .max, snapshot: snapshot,
      tier: tier
    ) { key, value in
      isCancelled() ? visitor.stop(.cancelled) : visitor.visit(key, value, &response)
    }
    lookUps = Self.lookUpsOfSeek + visitor.visitedBytes / Self.lookUpBytes
    if let failure = visitor.failure { throw failure }
    let isMoved = visitor.hasMoved
    recordCount = visitor.recordCount
    let pause: Pause =
      switch outcome {
      case .complete, .limitReached: .complete
      case .wouldBlock: .wouldBlock
      case .stopped: visitor.pause
      }
    guard pause != .complete else {
      // Of several ranges the next one may be where a page ends.
      if isMoved, case .ranges = source { lastKey = visitor.lastKey.array() }
      return .complete
    }
    if unchangedSince != nil && pause == .wouldBlock {
      // The few records so far are read again, on a thread that reads all at one go, and for which no moment need be
      // held. A snapshot that RocksDB releases has it rewrite every table that was written since the one before.
      takeBack(start, &response)
      return .wouldBlock
    }
    if pause == .tooLarge { noteOversizedRecord(visitor.refusedKey) }
    if isMoved { lastKey = visitor.lastKey.array() }
    if let unchangedSince, pause == .budgetSpent {
      guard try holdMoment(unchangedSince, start, &response) else { return .budgetSpent }
    }
    if isMoved { source.skip(to: lastKey, isDescending: isDescending) }
    return pause
  }

  /// One range after the other, all of one moment.
  private mutating func runRanges(
    _ tier: ReadTier, _ budget: ReadBudget, _ start: Int, _ response: inout ByteWriter,
    _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    guard case .ranges(let ranges) = source else { return .complete }
    if snapshot == nil && ranges.count > 1 { snapshot = try store.engine.snapshot() }
    let (firstCount, firstBytes) = (recordCount, response.count)
    var (left, cost) = (ranges, 0)
    while let range = isDescending ? left.last : left.first {
      let seen = recordCount - firstCount
      // To find where a range begins costs as much as several records.
      let spent = seen + (ranges.count - left.count) * Self.recordsOfSeek
      guard spent < budget.records || left.count == ranges.count else {
        lookUps = cost
        return .budgetSpent
      }
      let rest = ReadBudget(
        records: budget.records == .max ? .max : max(1, budget.records - spent),
        bytes: budget.bytes == .max ? .max : max(1, budget.bytes - (response.count - firstBytes)),
        visitedBytes: budget.visitedBytes)
      let pause = try run(range, tier, rest, start, &response, isCancelled)
      cost += lookUps
      lookUps = cost
      guard pause == .complete else { return pause }
      if isDescending { left.removeLast() } else { left.removeFirst() }
      source = .ranges(left)
    }
    return .complete
  }

  private static let recordsOfSeek = 16

  /// Takes a snapshot for the runs that follow.
  ///
  /// - Parameter sequence: the newest change before the first run.
  /// - Returns: whether nothing was written meanwhile, so that the snapshot is of the moment that the first run saw;
  ///   else the answer is taken back, to begin anew.
  private mutating func holdMoment(
    _ sequence: UInt64, _ start: Int, _ response: inout ByteWriter
  ) throws(EngineError) -> Bool {
    snapshot = try store.engine.snapshot()
    if try store.engine.lastSequence() == sequence { return true }
    takeBack(start, &response)
    return false
  }

  /// Begins the answer anew.
  mutating func takeBack(_ start: Int, _ response: inout ByteWriter) {
    response.truncate(to: start)
    recordCount = 0
    lastKey = []
  }

  private mutating func run(
    _ keys: StoredKeys, _ tier: ReadTier, _ budget: ReadBudget, _ start: Int,
    _ response: inout ByteWriter, _ isCancelled: () -> Bool
  ) throws(EngineError) -> Pause {
    let engine = store.engine
    // One look-up sees one moment by itself.
    if snapshot == nil && keys.count > 1 { snapshot = try engine.snapshot() }
    var visitor = Visitor(self, budget, start, response.count)
    // A look-up costs as much as several records of a scan.
    let count = min(keys.count, max(1, budget.records / 4))
    var visited = 0
    var result = Result<ScanOutcome, EngineError>.success(.complete)
    keys.withKeys(first: count, fromEnd: isDescending) { keys in
      do throws(EngineError) {
        result = .success(
          try engine.get(keys, snapshot: snapshot, tier: tier) { index, value in
            if isCancelled() { return visitor.stop(.cancelled) }
            if let value = unsafe value,
              unsafe visitor.visit(keys[index], value, &response) == .stop
            {
              return .stop
            }
            visited += 1
            return .next
          })
      } catch {
        result = .failure(error)
      }
    }
    let pause: Pause =
      switch try result.get() {
      case .complete, .limitReached: count < keys.count ? .budgetSpent : .complete
      case .wouldBlock: .wouldBlock
      case .stopped: visitor.pause
      }
    lookUps = visited
    var left = keys
    left.drop(visited, fromEnd: isDescending)
    source = .keys(left)
    if visitor.hasMoved { lastKey = visitor.lastKey.array() }
    recordCount = visitor.recordCount
    if let failure = visitor.failure { throw failure }
    if pause == .tooLarge { noteOversizedRecord(visitor.refusedKey) }
    return pause
  }

  /// - Parameter key: as it is stored; empty when the record would be too large for this answer alone.
  private mutating func noteOversizedRecord(_ key: [UInt8]) {
    guard !key.isEmpty else { return }
    oversizedRecord = OversizedRecord(
      key: reading?.recordKey(ofEntry: key) ?? Array(key.dropFirst(KeyPrefix.byteCount)),
      pageToken: limits.isPaged ? String(decoding: pageToken(after: key), as: UTF8.self) : nil)
  }

  /// Takes the records of one run.
  struct Visitor: ~Copyable {
    let form: Form
    let limits: AnswerLimits
    let budget: ReadBudget
    let start: Int
    /// The stored key of the last record that was taken; empty before.
    var lastKey = ByteWriter()
    var recordCount: Int
    /// Records and bytes of the answer before this run.
    let firstCount: Int
    let firstBytes: Int
    var pause = Pause.complete
    /// The stored key of a first record that was too large.
    var refusedKey: [UInt8] = []
    var failure: EngineError?
    /// Bytes of the values seen in this run.
    var visitedBytes = 0
    /// Whether a record was taken, or left behind because it has ended.
    var hasMoved = false
    private let expiry: RecordExpiry?
    /// When the run began, of a model with records that end.
    private let now: RecordExpiry.Now?
    /// What a record that has ended counts beside its value.
    private static let pastBytes = 64

    init(_ scan: RecordScan, _ budget: ReadBudget, _ start: Int, _ end: Int) {
      form = scan.form
      limits = scan.limits
      self.budget = budget
      self.start = start
      recordCount = scan.recordCount
      firstCount = scan.recordCount
      firstBytes = end - start
      expiry = scan.store.expiry
      now = expiry?.now
    }

    mutating func stop(_ reason: Pause) -> ScanStep {
      pause = reason
      return .stop
    }

    @safe
    @inline(__always)
    mutating func visit(
      _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
      _ response: inout ByteWriter
    ) -> ScanStep {
      if let expiry, let step = leaveBehind(key, value, expiry) { return step }
      if recordCount == limits.records { return stop(.pageFull) }
      if recordCount &- firstCount >= budget.records || visitedBytes > budget.visitedBytes {
        return stop(.budgetSpent)
      }
      visitedBytes &+= value.count
      switch form {
      case .records:
        if let reason = reasonToStop(response.count &- start &+ value.count) {
          return refuse(key, reason)
        }
        response.appendField(ModelStore.ListField.records, value)
      case .shaped(let shape):
        let mark = response.count
        do throws(RecordError) {
          try shape.append(value, to: &response)
        } catch {
          failure = .corruption(
            EngineError.Failure(
              operation: .scan, directory: "a record",
              detail: "it is no protobuf message, at its byte \(error.offset)"))
          return stop(.complete)
        }
        if let reason = reasonToStop(response.count &- start) {
          response.truncate(to: mark)
          return refuse(key, reason)
        }
      case .count: break
      }
      recordCount &+= 1
      hasMoved = true
      lastKey.removeAll()
      lastKey.append(key)
      return .next
    }

    /// Goes on after a record that has ended; nil when it has not.
    @safe
    @inline(never)
    private mutating func leaveBehind(
      _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ expiry: RecordExpiry
    ) -> ScanStep? {
      guard expiry.hasPassed(value, at: now) else { return nil }
      if visitedBytes > budget.visitedBytes { return stop(.budgetSpent) }
      visitedBytes &+= value.count &+ Self.pastBytes
      hasMoved = true
      lastKey.removeAll()
      lastKey.append(key)
      return .next
    }

    /// Stops before a record that has no room.
    @safe
    @inline(never)
    private mutating func refuse(_ key: UnsafeRawBufferPointer, _ reason: Pause) -> ScanStep {
      if reason == .tooLarge && recordCount == 0 { refusedKey = unsafe Array(key) }
      return stop(reason)
    }

    /// - Parameter bytes: of the answer, with this record.
    @inline(__always)
    private func reasonToStop(_ bytes: Int) -> Pause? {
      if let pageBytes = limits.pageBytes, bytes > pageBytes, recordCount > 0 { return .pageFull }
      if bytes > limits.bytes { return .tooLarge }
      if bytes &- firstBytes > budget.bytes { return .budgetSpent }
      return nil
    }
  }
}
