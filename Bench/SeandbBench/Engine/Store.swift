import Engine

/// An open engine, and what must be in it.
struct Store {
  let engine: any StorageEngine
  let kind: EngineKind
  let directory: String
  let round: Int
  let settings: BenchSettings
  /// Generations of the values that reads may find; the writer of `readwhilewriting` makes them two.
  var generations: ClosedRange<UInt64> = 0...0

  /// Runs a workload of the shared store.
  mutating func run(_ workload: Workload) throws -> [Measurement] {
    switch workload {
    case .fillseq, .fillsync, .fillbatch, .fillrandom: [try fill(workload)]
    case .overwrite: [try overwrite()]
    case .compact: [try compact()]
    case .readrandom: [try readRandom()]
    case .readmissing: [try readMissing()]
    case .readseq: [try readAll(.readseq, .ascending)]
    case .readreverse: [try readAll(.readreverse, .descending)]
    case .seekrandom: [try seekRandom()]
    case .readwhilewriting: try readWhileWriting()
    case .deleterange: try deleteRanges()
    }
  }

  func random(_ workload: Workload) -> SplitMix64 {
    SplitMix64(seed: settings.seed, stream: workload.stream(round: round))
  }

  /// All indices in a random order.
  func permutation(_ workload: Workload) -> Permutation {
    Permutation(
      count: settings.records, seed: settings.seed, stream: workload.stream(round: round))
  }

  /// Runs `loop` and measures it, with what the process has used meanwhile.
  ///
  /// - Parameters:
  ///   - userBytes: of the keys and values that the loop writes.
  ///   - loop: does `operations` operations, a lap for each call into the engine.
  func measure(
    _ workload: Workload, part: String = "", operations: Int, userBytes: Int? = nil,
    _ loop: (inout LatencyRecorder) throws -> Void
  ) throws -> Measurement {
    ProcessUsage.resetPeak()
    let before = ProcessUsage.now()
    var recorder = LatencyRecorder()
    try loop(&recorder)
    let times = recorder.finish()
    let after = ProcessUsage.now()
    return Measurement(
      workload: workload.rawValue + part, target: kind.rawValue, round: round,
      load: Load(threads: 1), operations: operations, seconds: times.seconds,
      latency: times.latency,
      timeline: times.timeline(factor: Double(operations) / Double(max(1, times.count))),
      cost: Measurement.Cost(
        cpuSeconds: after.cpuSeconds - before.cpuSeconds,
        writtenBytes: after.writtenBytes - before.writtenBytes,
        userBytes: userBytes.map { UInt64($0) },
        diskBytes: ScratchDirectory.allocatedBytes(of: directory),
        peakResidentBytes: ProcessUsage.peakResidentBytes))
  }

  func wrong(_ workload: Workload, _ detail: String) -> WrongAnswer {
    WrongAnswer(engine: kind, workload: workload, detail: detail)
  }
}
