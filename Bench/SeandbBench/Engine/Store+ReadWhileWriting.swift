import Engine
import Synchronization

extension Store {
  /// `readrandom` on this thread while another one overwrites random records as fast as it can.
  ///
  /// The second measurement is the writer's: an engine that writes more meanwhile makes its own reads dearer.
  mutating func readWhileWriting() throws -> [Measurement] {
    let writer = BackgroundWriter(self, generation: generations.upperBound + 1)
    generations = generations.lowerBound...generations.upperBound + 1
    let thread = WorkerThread.start { writer.run() }
    let reads = Result { try readBesideWriter() }
    writer.stop()
    thread.join()
    return [try reads.get(), try writer.measurement()]
  }

  private func readBesideWriter() throws -> Measurement {
    let engine = engine
    let records = settings.records
    let byteCount = settings.valueByteCount
    let generations = generations
    var random = random(.readwhilewriting)
    var keys = KeyBuffer()
    return try measure(.readwhilewriting, operations: records) { recorder in
      for _ in 0..<records {
        let index = random.next(below: records)
        keys.write(index)
        var isRight = false
        let outcome = try engine.get(keys.bytes, snapshot: nil, tier: .any) { value in
          isRight = ValueSource.isValue(
            value, of: index, byteCount: byteCount, generations: generations)
        }
        guard outcome == .found, isRight else {
          throw wrong(
            .readwhilewriting, "key \(index) is \(outcome == .found ? "wrong" : "missing")")
        }
        recorder.lap()
      }
    }
  }
}

/// The writer of `readwhilewriting`.
///
/// Thread-safety: ``run()`` on one thread; ``stop()`` from another one, and ``measurement()`` after the first
/// has ended.
private final class BackgroundWriter: Sendable {
  // Constant.
  private let engine: any StorageEngine
  private let settings: BenchSettings
  private let stream: UInt64
  private let generation: UInt64
  private let target: String
  private let round: Int
  // Shared.
  private let isStopped = Atomic(false)
  private let result = Mutex(Result<Measurement, EngineError>?.none)

  init(_ store: Store, generation: UInt64) {
    engine = store.engine
    settings = store.settings
    // The reader's stream is the workload's.
    stream = Workload.readwhilewriting.stream(round: store.round) | 1 << 31
    self.generation = generation
    target = store.kind.rawValue
    round = store.round
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  func run() {
    let result: Result<Measurement, EngineError>
    do throws(EngineError) {
      result = .success(try write())
    } catch {
      result = .failure(error)
    }
    self.result.withLock { $0 = result }
  }

  func measurement() throws -> Measurement {
    guard let result = result.withLock({ $0 }) else {
      preconditionFailure("the writer has not ended")
    }
    return try result.get()
  }

  private func write() throws(EngineError) -> Measurement {
    let engine = engine
    let records = settings.records
    let batch = WriteBatch()
    var random = SplitMix64(seed: settings.seed, stream: stream)
    var keys = KeyBuffer()
    var values = ValueSource(byteCount: settings.valueByteCount, seed: settings.seed)
    var recorder = LatencyRecorder()
    while !isStopped.load(ordering: .relaxed) {
      let index = random.next(below: records)
      keys.write(index)
      batch.put(keys.bytes, values.next(for: index, generation: generation))
      try engine.apply(batch, durability: .buffered)
      batch.clear()
      recorder.lap()
    }
    let times = recorder.finish()
    return Measurement(
      workload: Workload.readwhilewriting.rawValue + ".writes", target: target, round: round,
      load: Load(threads: 1), operations: times.count, seconds: times.seconds,
      latency: times.latency, timeline: times.timeline(factor: 1))
  }
}
