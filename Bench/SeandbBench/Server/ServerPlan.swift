/// What is measured on each server.
struct ServerPlan: Sendable {
  /// A rate of the open loop is left out when it is more than this part of what the closed loop has reached.
  static let highestUtilization = 0.9

  var workloads: [ServerWorkload]
  /// From the lightest to the heaviest.
  var loads: [ConnectionLoad]
  /// Rates of the open loop.
  var rates: [Int]
  /// The first one is used for reads.
  var durabilities: [ServerDurability]
  var threads: Int
  var seconds: Double
  /// Of a writing workload at the heaviest load: long enough for stalls to show.
  var writeSeconds: Double
  /// Ends a closed loop after so many calls, which all count; nil: after its time.
  var calls: Int?
  var records: Int
  var keys: KeyDistribution
  var batchRecords: Int
  var rangeRecords: Int
  var seed: UInt64

  /// Workloads that run at every load and rate; the others at the heaviest load only.
  private static let curves: Set<ServerWorkload> = [.get, .put]
  /// The share of a measurement's time that goes before it.
  private static let warmUpShare = 0.25

  /// In their order, closed loops before open ones.
  func steps(of target: ServerTarget, _ durability: ServerDurability) -> [ServerStep] {
    var steps: [ServerStep] = []
    for workload in ServerWorkload.allCases where workloads.contains(workload) {
      guard target.supports(workload) else { continue }
      // Reads and rates once.
      let isFirst = durability == durabilities.first
      guard workload.writes || isFirst else { continue }
      let isCurve = Self.curves.contains(workload)
      for load in isCurve ? loads[...] : loads.suffix(1) {
        steps.append(
          ServerStep(
            workload: workload, connections: load.connections, inFlight: load.inFlight,
            isLong: workload.writes && load == loads.last))
      }
      guard isCurve && isFirst, let load = loads.last else { continue }
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
      warmUp: UInt64(self.seconds * Self.warmUpShare * 1e9), duration: UInt64(seconds * 1e9),
      callCount: step.ratePerSecond == nil ? calls : nil, records: records, keys: keys,
      batchRecords: batchRecords,
      rangeRecords: rangeRecords, seed: seed, stream: UInt64(round))
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
