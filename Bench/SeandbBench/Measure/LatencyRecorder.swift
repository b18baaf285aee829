/// Times the operations of one loop: the end of one is the start of the next, as in RocksDB's db_bench. So it
/// reads the clock once an operation, and what the loop itself does counts as well.
///
/// Confined to the loop's thread; ``LoopTimes`` carries the result away.
struct LatencyRecorder: ~Copyable {
  private var times: LoopTimes
  private var last: UInt64

  /// Starts the clock.
  init() {
    last = MonotonicClock.now()
    times = LoopTimes(startedAt: last)
  }

  /// Ends an operation and starts the next one.
  @inline(__always)
  mutating func lap() {
    let now = MonotonicClock.now()
    times.record(now &- last, endedAt: now)
    last = now
  }

  var count: Int { times.count }

  consuming func finish() -> LoopTimes { times }
}
