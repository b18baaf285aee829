/// What is sent to a server, for how long.
struct LoadShape: Sendable {
  var workload: ServerWorkload
  var connections: Int
  /// Calls of a connection that wait at once.
  var inFlight: Int
  /// Threads of the generator; connections are dealt out among them.
  var threads: Int
  /// Calls a second, of all connections together; nil: the next call follows the answer to the one before.
  var ratePerSecond: Int?
  /// How long calls are made before they count, and then while they count. Unit: nanoseconds.
  var warmUp: UInt64
  var duration: UInt64
  /// Ends after this many calls, which all count; nil: when the time is over.
  var callCount: Int?
  /// Whether batches take each record once, in order.
  var isFill = false
  /// Records of the store.
  var records: Int
  var keys: KeyDistribution
  var batchRecords: Int
  /// A power of ten.
  var rangeRecords: Int
  var seed: UInt64
  /// Tells this load's random choices from those of others.
  var stream: UInt64
}

/// Named mixes of calls.
enum ServerWorkload: String, CaseIterable, Sendable {
  case get
  case rangeGet = "range-get"
  case put
  case batchPut = "batch-put"
  /// Of 20 calls 15 gets, 3 puts, a range get and a delete.
  case mixed
  case delete

  /// What its calls are.
  var operations: [Operation] {
    switch self {
    case .get: [.get]
    case .rangeGet: [.rangeGet]
    case .mixed: [.get, .put, .rangeGet, .delete]
    case .put: [.put]
    case .batchPut: [.batchPut]
    case .delete: [.delete]
    }
  }

  var writes: Bool { self != .get && self != .rangeGet }
  /// Whether records can be missing while it runs, and afterwards.
  var deletes: Bool { operations.contains(.delete) }

  @inline(__always)
  func nextOperation(_ random: inout SplitMix64) -> Operation {
    switch self {
    case .get: .get
    case .rangeGet: .rangeGet
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

/// Which records are asked for.
enum KeyDistribution: String, CaseIterable, Sendable {
  /// Each as often as any other.
  case uniform
  /// Some much more often than others, as YCSB chooses them; the frequent ones lie anywhere.
  case zipfian
  /// Always the same one: what h2load does.
  case single
}
