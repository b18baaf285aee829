import Engine

/// An open engine, and what must be in it.
struct Store: Sendable {
  let engine: any StorageEngine
  let target: EngineTarget
  let directory: String
  let round: Int
  var settings: BenchSettings
  /// Records from the first key on, without a hole.
  var recordCount = 0
  /// Records that a range delete took out of them.
  var deletedCount = 0
  /// Generations of the values that reads may find; more than one where it is not known who wrote last.
  var generations: ClosedRange<UInt64> = 0...0
  private var isCompacted = false

  init(
    _ target: EngineTarget, engine: any StorageEngine, directory: String, round: Int,
    settings: BenchSettings
  ) {
    self.engine = engine
    self.target = target
    self.directory = directory
    self.round = round
    self.settings = settings
  }

  /// Brings the store in order where `workload` must not depend on what came before it. Not measured.
  mutating func prepare(_ workload: Workload) throws {
    guard workload.needsCompactedStore, !isCompacted else { return }
    try engine.settle()
    isCompacted = true
  }

  mutating func run(_ workload: Workload) throws -> [Measurement] {
    let measurements: [Measurement] =
      switch workload {
      case .fillseq, .fillsync, .fillbatch, .fillrandom: try fill(workload)
      case .overwrite: try overwrite()
      case .compact: try compact()
      case .readrandom: try readRandom(.readrandom, below: recordCount)
      case .readhot:
        try readRandom(
          .readhot, below: (recordCount + Workload.hotShare - 1) / Workload.hotShare)
      case .readmissing: try readMissing()
      case .readseq: try readAll(.readseq, .ascending)
      case .readreverse: try readAll(.readreverse, .descending)
      case .seekrandom: try seekRandom()
      case .prefixscan: try scanPrefixes()
      case .ycsbA: try ycsb(.ycsbA, .a)
      case .ycsbB: try ycsb(.ycsbB, .b)
      case .ycsbC: try ycsb(.ycsbC, .c)
      case .ycsbD: try ycsb(.ycsbD, .d)
      case .ycsbE: try ycsb(.ycsbE, .e)
      case .ycsbF: try ycsb(.ycsbF, .f)
      case .readwhilewriting: try readWhileWriting()
      case .deleterange: try deleteRanges()
      }
    if workload == .compact {
      isCompacted = true
    } else if measurements.contains(where: { $0.cost.userBytes != nil }) {
      isCompacted = false
    }
    return measurements
  }

  /// All indices in a random order.
  func permutation(_ workload: Workload, count: Int) -> Permutation {
    Permutation(count: count, seed: settings.seed, stream: workload.stream(round: round))
  }

  /// Bytes of the keys and values that are there.
  var liveBytes: UInt64 {
    UInt64(recordCount - deletedCount) * UInt64(KeyBuffer.byteCount + settings.valueByteCount)
  }

  /// Runs one thread, or `threads`, which share `operations`.
  func measure(
    _ workload: Workload, part: String = "", threads: Int = 1, operations: Int,
    _ work: @escaping Crew.Work
  ) throws -> [Measurement] {
    try measure(
      workload, [Crew(part: part, threads: threads, operations: operations, work: work)])
  }

  /// Runs crews side by side and measures them.
  ///
  /// - Returns: a measurement for each crew, after it one for each kind of its operations when there are several;
  ///   the first one says what all of them have cost.
  func measure(_ workload: Workload, _ crews: [Crew]) throws -> [Measurement] {
    let (results, before) = try CrewRun(self, workload, crews).run()
    let after = ProcessUsage.now()
    let userBytes = results.reduce(0) { $0 + $1.userBytes }
    var measurements: [Measurement] = []
    for (crew, result) in zip(crews, results) {
      var all = result.kinds[0]
      for kind in result.kinds.dropFirst() { all.merge(kind) }
      measurements.append(measurement(workload, crew, crew.part, all, operations: crew.operations))
      for (name, times) in zip(crew.kinds, result.kinds) {
        measurements.append(measurement(workload, crew, crew.part + name, times, operations: nil))
      }
    }
    measurements[0].cost = Measurement.Cost(
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      writtenBytes: after.writtenBytes - before.writtenBytes,
      userBytes: userBytes > 0 ? UInt64(userBytes) : nil,
      liveBytes: liveBytes,
      diskBytes: ScratchDirectory.allocatedBytes(of: directory),
      peakResidentBytes: ProcessUsage.peakResidentBytes)
    return measurements
  }

  /// - Parameter operations: nil: one a lap.
  private func measurement(
    _ workload: Workload, _ crew: Crew, _ part: String, _ times: LoopTimes, operations: Int?
  ) -> Measurement {
    let operations = operations ?? times.count
    return Measurement(
      workload: workload.rawValue + part, target: target.rawValue, round: round,
      load: Load(threads: crew.threads), operations: operations, seconds: times.seconds,
      latency: times.latency,
      timeline: times.timeline(factor: Double(operations) / Double(max(1, times.count))))
  }
}

extension StorageEngine {
  /// Flushes and compacts everything, where there are files.
  func settle() throws(EngineError) {
    guard let store = self as? any LocalStore else { return }
    try store.flush()
    try store.compact(nil)
  }
}
