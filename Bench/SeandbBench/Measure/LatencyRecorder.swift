import Platform

/// Times the operations of one loop: the end of one is the start of the next, as in RocksDB's db_bench. So it
/// reads the clock once an operation, and what the loop itself does counts as well.
///
/// Confined to the loop's thread; ``LoopTimes`` carries the result away.
struct LatencyRecorder: ~Copyable {
  /// By the kind of operation.
  private var kinds: [LoopTimes]
  private var last: UInt64

  /// Starts the clock.
  init() { self.init(startedAt: MonotonicClock.now()) }

  /// - Parameters:
  ///   - startedAt: the start of the first operation, on the monotonic clock; the same for loops beside each other.
  ///   - kindCount: how many kinds of operations are told apart.
  init(startedAt: UInt64, kindCount: Int = 1) {
    last = startedAt
    kinds = Array(repeating: LoopTimes(startedAt: startedAt), count: kindCount)
  }

  /// Ends an operation and starts the next one.
  @inline(__always)
  mutating func lap(kind: Int = 0) {
    let now = MonotonicClock.now()
    kinds[kind].record(now &- last, endedAt: now)
    last = now
  }

  var count: Int { kinds.reduce(0) { $0 + $1.count } }

  /// All operations.
  consuming func finish() -> LoopTimes {
    var all = kinds[0]
    for kind in kinds.dropFirst() { all.merge(kind) }
    return all
  }

  /// The operations by their kinds.
  consuming func finishKinds() -> [LoopTimes] { kinds }
}
