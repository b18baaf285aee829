/// What one loop on one engine in one round has taken.
struct Measurement: Sendable {
  /// The workload, with its part behind a point when it has several: `deleterange.scan`.
  let name: String
  let operations: Int
  let seconds: Double
  let latency: Latency
  /// nil for a loop that ran beside another one, which has them for both.
  var cost: Cost?

  /// What the whole process has used meanwhile.
  struct Cost: Sendable {
    let cpuSeconds: Double
    let writtenBytes: UInt64
    /// Bytes the engine's directory takes, after the loop.
    let diskBytes: UInt64
    let peakResidentBytes: UInt64
  }

  var operationsPerSecond: Double { seconds > 0 ? Double(operations) / seconds : 0 }

  /// Runs `loop` and measures it.
  ///
  /// - Parameters:
  ///   - directory: the engine's.
  ///   - loop: does `operations` operations, a lap for each call into the engine.
  static func take(
    _ name: String, operations: Int, in directory: String,
    _ loop: (inout LatencyRecorder) throws -> Void
  ) throws -> Measurement {
    ProcessUsage.resetPeak()
    let before = ProcessUsage.now()
    var recorder = LatencyRecorder()
    try loop(&recorder)
    let after = ProcessUsage.now()
    return Measurement(
      name: name, operations: operations, seconds: recorder.seconds, latency: recorder.latency,
      cost: Cost(
        cpuSeconds: after.cpuSeconds - before.cpuSeconds,
        writtenBytes: after.writtenBytes - before.writtenBytes,
        diskBytes: ScratchDirectory.allocatedBytes(of: directory),
        peakResidentBytes: ProcessUsage.peakResidentBytes))
  }
}
