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

  func measure(
    _ workload: Workload, part: String = "", operations: Int,
    _ loop: (inout LatencyRecorder) throws -> Void
  ) throws -> Measurement {
    try Measurement.take(
      workload.rawValue + part, operations: operations, in: directory, loop)
  }

  func wrong(_ workload: Workload, _ detail: String) -> WrongAnswer {
    WrongAnswer(engine: kind, workload: workload, detail: detail)
  }
}
