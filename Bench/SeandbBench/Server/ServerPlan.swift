/// What is measured on each server.
struct ServerPlan: Sendable {
  var workloads: [ServerWorkload]
  /// From the lightest to the heaviest.
  var loads: [ConnectionLoad]
  /// Rates of the open loop.
  var rates: [Int]
  /// The first one is used for reads.
  var durabilities: [ServerDurability]
  var threads: Int
  var seconds: Double
  /// Of `put`, `put-changed`, `insert` and `mixed` at the heaviest load: long enough for stalls to show.
  var writeSeconds: Double
  /// Ends a closed loop after so many calls, which all count; nil: after its time.
  var calls: Int?
  var records: Int
  /// Bytes of a store's cache, for those that have one.
  var cacheSizeBytes: Int
  /// How long a fill may take.
  var fillSeconds = 600.0
  /// How long a server may compact after its fill, before anything is measured.
  var settleSeconds = 0.0
  /// Random gets after the fill, which do not count.
  var warmGets = 0
  /// Whether an external server has the records already.
  var isFilled = false
  var keys: KeyDistribution
  var sizes: CallSizes
  var seed: UInt64

  /// Workloads that run at every load and rate; the others at the heaviest load only.
  private static let curves: Set<ServerWorkload> = [
    .get, .uniqueGet, .indexGet, .put, .putChanged, .write, .update, .transact,
  ]
  private static let long: Set<ServerWorkload> = [
    .put, .putChanged, .write, .update, .transact, .insert, .mixed,
  ]
  /// Calls of many records are larger than others by as much as there are fewer of them in flight.
  private static let large: Set<ServerWorkload> = [.batchPut, .in, .count, .stream]
  private static let largeInFlightShare = 16
  /// The share of a measurement's time that goes before it.
  private static let warmUpShare = 0.25

  /// In their order, closed loops before open ones.
  func steps(of target: ServerTarget, _ durability: ServerDurability) -> [ServerStep] {
    var steps: [ServerStep] = []
    for workload in ServerWorkload.allCases where workloads.contains(workload) {
      guard target.supports(workload, sizes) else { continue }
      // Reads once.
      guard workload.writes || durability == durabilities.first else { continue }
      let isCurve = Self.curves.contains(workload)
      for load in isCurve ? loads[...] : loads.suffix(1) {
        let inFlight =
          Self.large.contains(workload)
          ? max(1, load.inFlight / Self.largeInFlightShare) : load.inFlight
        steps.append(
          ServerStep(
            workload: workload, connections: load.connections, inFlight: inFlight,
            isLong: Self.long.contains(workload) && load == loads.last))
      }
      guard isCurve, let load = loads.last else { continue }
      for rate in rates {
        steps.append(
          ServerStep(
            workload: workload, connections: load.connections, inFlight: load.inFlight,
            ratePerSecond: rate))
      }
    }
    return steps
  }

  func shape(of step: ServerStep, _ round: Int) -> LoadShape {
    let seconds = step.isLong ? writeSeconds : seconds
    return LoadShape(
      workload: step.workload, connections: step.connections, inFlight: step.inFlight,
      threads: min(threads, step.connections), ratePerSecond: step.ratePerSecond,
      warmUp: UInt64(seconds * Self.warmUpShare * 1e9), duration: UInt64(seconds * 1e9),
      callCount: step.ratePerSecond == nil ? calls : nil, records: records, keys: keys,
      sizes: sizes, seed: seed, stream: UInt64(round))
  }
}

/// One measurement.
struct ServerStep: Sendable {
  var workload: ServerWorkload
  var connections: Int
  var inFlight: Int
  var ratePerSecond: Int?
  var isLong = false

  /// For people: `get 16 x 64`.
  var title: String {
    let rate = ratePerSecond.map { " at \(Figure.grouped(Double($0)))/s" } ?? ""
    return "\(workload.rawValue) \(connections) x \(inFlight)\(rate)"
  }
}

/// Connections and calls in flight on each: `16x64`.
struct ConnectionLoad: Equatable, Sendable {
  let connections: Int
  let inFlight: Int
}
