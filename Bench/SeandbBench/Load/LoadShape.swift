/// What is sent to a server, for how long.
package struct LoadShape: Sendable {
  package var workload: ServerWorkload
  package var connections: Int
  /// Calls of a connection that wait at once.
  package var inFlight: Int
  /// Threads of the generator; connections are dealt out among them.
  package var threads: Int
  /// Calls a second, of all connections together; nil: the next call follows the answer to the one before.
  package var ratePerSecond: Int?
  /// How long calls are made before they count, and then while they count. Unit: nanoseconds.
  package var warmUp: UInt64
  package var duration: UInt64
  /// Ends after this many calls, which all count; nil: when the time is over.
  package var callCount: Int?
  /// The batch with which a fill begins, whose batches take each record once, in order; nil: this is no fill.
  package var firstFillBatch: Int?
  /// Records of the store.
  package var records: Int
  package var keys: KeyDistribution
  package let sizes: CallSizes
  package var seed: UInt64
  /// Tells this load's random choices from those of others.
  package var stream: UInt64

  package init(
    workload: ServerWorkload, connections: Int, inFlight: Int, threads: Int = 1,
    ratePerSecond: Int? = nil, warmUp: UInt64 = 0, duration: UInt64, callCount: Int? = nil,
    records: Int, keys: KeyDistribution = .uniform, sizes: CallSizes, seed: UInt64, stream: UInt64
  ) {
    self.workload = workload
    self.connections = connections
    self.inFlight = inFlight
    self.threads = threads
    self.ratePerSecond = ratePerSecond
    self.warmUp = warmUp
    self.duration = duration
    self.callCount = callCount
    self.records = records
    self.keys = keys
    self.sizes = sizes.within(records)
    self.seed = seed
    self.stream = stream
  }

  /// The first record of a fill's batch, whose threads take turns.
  ///
  /// - Parameter batch: counted by each thread, from 0 on.
  @inline(__always)
  package func fillIndex(ofBatch batch: Int, thread: Int) -> Int {
    ((firstFillBatch ?? 0) + batch * threads + thread) * sizes.batchPut
  }

  /// The record of an insert, whose threads take turns: a new one for each call, in no order, after those of the fill.
  ///
  /// - Parameter number: of the thread's calls, from 0 on.
  @inline(__always)
  package func insertIndex(_ number: Int, thread: Int) -> Int {
    let call = number * threads + thread
    // One to one, and neighbours fall far apart (Knuth, "Sorting and Searching", 6.4: multiplication by an odd number
    // close to the golden part of the range).
    return records + (call &* 0x278_dde7) & (Self.insertCount - 1)
  }

  /// After so many calls an insert would store the first ones again.
  package static let insertCount = 1 << 26

  /// The second record of a transaction.
  func second(of index: Int) -> Int { (index + max(records / 2, 1)) % records }

  /// How many groups of records with an equal breed there are.
  var groupCount: Int { records / sizes.rangeGet }

  /// The records that a read asks for by key, unless that is `in`.
  func range(of slot: borrowing CallSlot) -> Range<Int> {
    let count = sizes.records(of: slot.operation)
    let first = slot.operation == .page ? slot.index - count + 1 : slot.index
    return first..<first + count
  }
}

/// Named mixes of calls.
package enum ServerWorkload: String, CaseIterable, Sendable {
  case get
  case rangeGet = "range-get"
  case page
  case `in`
  case count
  case stream
  /// Needs a unique index on chips.
  case uniqueGet = "unique-get"
  /// Needs an index on breeds.
  case indexGet = "index-get"
  case put
  /// A put that gives the record another age and breed.
  case putChanged = "put-changed"
  /// A write with the etag that the record has.
  case write
  /// A write that replaces age and breed by a mask.
  case update
  /// A transaction of two puts.
  case transact
  /// A put of a new record.
  case insert
  case batchPut = "batch-put"
  /// Of 20 calls 15 gets, 3 puts, a range get and a delete of every eighth record.
  case mixed
  case delete

  /// What its calls are.
  package var operations: [Operation] {
    switch self {
    case .get: [.get]
    case .rangeGet: [.rangeGet]
    case .page: [.page]
    case .in: [.in]
    case .count: [.count]
    case .stream: [.stream]
    case .uniqueGet: [.uniqueGet]
    case .indexGet: [.indexGet]
    case .mixed: [.get, .put, .rangeGet, .delete]
    case .put, .putChanged, .insert: [.put]
    case .write: [.write]
    case .update: [.update]
    case .transact: [.transact]
    case .batchPut: [.batchPut]
    case .delete: [.delete]
    }
  }

  package var writes: Bool {
    switch self {
    case .get, .rangeGet, .page, .in, .count, .stream, .uniqueGet, .indexGet: false
    case .put, .putChanged, .write, .update, .transact, .insert, .batchPut, .mixed, .delete: true
    }
  }

  /// Whether each of its calls is about several records, so that they are counted as well.
  package var isOfSeveral: Bool {
    switch self {
    case .rangeGet, .page, .in, .count, .stream, .indexGet, .batchPut, .transact: true
    case .get, .uniqueGet, .put, .putChanged, .write, .update, .insert, .mixed, .delete: false
    }
  }

  /// Whether its records have fields that can be changed, and that indexes may be on (``RecordGroups``).
  package var isOfIndexes: Bool {
    switch self {
    case .uniqueGet, .indexGet, .putChanged, .write, .update, .transact, .insert: true
    default: false
    }
  }

  /// Whether its records change with each write.
  var changesRecords: Bool {
    switch self {
    case .putChanged, .write, .update, .transact: true
    default: false
    }
  }

  package var deleted: DeletedRecords { self == .mixed ? .lastOfEight : .none }

  @inline(__always)
  package func nextOperation(_ random: inout SplitMix64) -> Operation {
    switch self {
    case .get: .get
    case .rangeGet: .rangeGet
    case .page: .page
    case .in: .in
    case .count: .count
    case .stream: .stream
    case .uniqueGet: .uniqueGet
    case .indexGet: .indexGet
    case .put, .putChanged, .insert: .put
    case .write: .write
    case .update: .update
    case .transact: .transact
    case .batchPut: .batchPut
    case .delete: .delete
    case .mixed:
      switch random.next(below: 20) {
      case 0..<15: .get
      case 15..<18: .put
      case 18: .rangeGet
      default: .delete
      }
    }
  }
}

/// Which records may be missing when they are read. All others must be there.
package enum DeletedRecords: Sendable {
  case none
  case lastOfEight

  @inline(__always)
  func contains(_ index: Int) -> Bool { self == .lastOfEight && index & 7 == 7 }
}

/// Which records are asked for.
package enum KeyDistribution: String, CaseIterable, Sendable {
  /// Each as often as any other.
  case uniform
  /// Some much more often than others, as YCSB chooses them; the frequent ones lie anywhere.
  case zipfian
  /// Always the same one: what h2load does.
  case single
}
