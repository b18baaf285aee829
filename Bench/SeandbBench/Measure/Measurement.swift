/// What one workload on one target in one round has taken.
struct Measurement: Sendable {
  /// The workload, with its part after a dot when it has several: `deleterange.scan`.
  let workload: String
  /// The engine or server, by its name in the report.
  let target: String
  /// From 1.
  let round: Int
  let load: Load
  let operations: Int
  /// Operations that were answered by an error.
  var errors = 0
  /// Records that the operations were about; nil when each was about one.
  var records: Int?
  /// Bytes of the answers; nil where they are not what is asked for.
  var answerBytes: Int?
  let seconds: Double
  let latency: Latency
  /// Operations that ended in each step of ``LoopTimes/stepLength``; nil when there are too few steps.
  let timeline: [Int]?
  var cost = Cost()

  /// What the target's process has used meanwhile. nil for what is not known, and for a loop that ran beside
  /// another one, which has it for both.
  struct Cost: Sendable {
    var cpuSeconds: Double?
    /// Of the load generator, all its threads: near its time, the generator was the limit and not the server.
    var generatorCPUSeconds: Double?
    /// Bytes handed to the disk.
    var writtenBytes: UInt64?
    /// Bytes of keys and values that the operations wrote.
    var userBytes: UInt64?
    /// Bytes of the keys and values that are there afterwards.
    var liveBytes: UInt64?
    /// Bytes that the target's directory takes, afterwards.
    var diskBytes: UInt64?
    var peakResidentBytes: UInt64?
  }

  var operationsPerSecond: Double { seconds > 0 ? Double(operations) / seconds : 0 }

  var recordsPerSecond: Double? {
    records.flatMap { seconds > 0 ? Double($0) / seconds : nil }
  }

  var answerBytesPerSecond: Double? {
    answerBytes.flatMap { seconds > 0 ? Double($0) / seconds : nil }
  }

  /// Bytes handed to the disk for each byte the user wrote; nil for a workload that writes nothing.
  var writeAmplification: Double? {
    guard let written = cost.writtenBytes, let user = cost.userBytes, user > 0 else { return nil }
    return Double(written) / Double(user)
  }

  /// Bytes on the disk for each byte of the keys and values that are there.
  var spaceAmplification: Double? {
    guard let disk = cost.diskBytes, let live = cost.liveBytes, live > 0 else { return nil }
    return Double(disk) / Double(live)
  }
}

/// How a workload is applied to a target: what must be equal in two measurements to compare them.
struct Load: Hashable, Sendable {
  /// Threads that make the calls.
  var threads: Int
  /// Of a server. nil for an engine.
  var network: Network?

  struct Network: Hashable, Sendable {
    var connections: Int
    /// Calls of a connection that wait for their answer at once, at most.
    var inFlight: Int
    /// Calls a second over all connections, whatever the answers: open loop. nil: a call follows the answer of
    /// the one before.
    var ratePerSecond: Int?
    var usesTLS: Bool
    /// Of a load that writes.
    var durability: String?
    var recordBytes: Int
    var keys: String
  }

  /// What differs within a run: `16 x 64`, `4 x 16 at 20,000/s`, `2 threads`; empty for one thread.
  var label: String {
    guard let network else { return threads == 1 ? "" : "\(threads) threads" }
    var label = "\(network.connections) x \(network.inFlight)"
    if let rate = network.ratePerSecond { label += " at \(Figure.grouped(Double(rate)))/s" }
    if let durability = network.durability { label += " \(durability)" }
    return label
  }
}
