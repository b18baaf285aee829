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

  /// The records that a read asks for, unless that is `in`.
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
  case put
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
    case .mixed: [.get, .put, .rangeGet, .delete]
    case .put: [.put]
    case .batchPut: [.batchPut]
    case .delete: [.delete]
    }
  }

  package var writes: Bool {
    switch self {
    case .get, .rangeGet, .page, .in, .count, .stream: false
    case .put, .batchPut, .mixed, .delete: true
    }
  }

  /// Whether each of its calls is about several records, so that they are counted as well.
  package var isOfSeveral: Bool {
    switch self {
    case .rangeGet, .page, .in, .count, .stream, .batchPut: true
    case .get, .put, .mixed, .delete: false
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
    case .put: .put
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
