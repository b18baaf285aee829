import Glibc

/// Times the operations of one loop: the end of one is the start of the next, as in RocksDB's db_bench. So it
/// reads the clock once an operation, and what the loop itself does counts as well.
struct LatencyRecorder: ~Copyable {
  private(set) var histogram = LatencyHistogram()
  private let start: UInt64
  private var last: UInt64

  /// Starts the clock.
  init() {
    start = Self.now()
    last = start
  }

  /// Ends an operation and starts the next one.
  @inline(__always)
  mutating func lap() {
    let now = Self.now()
    histogram.record(now &- last)
    last = now
  }

  /// From the start to the last lap.
  var seconds: Double { Double(last - start) / 1e9 }

  var latency: Latency {
    Latency(
      median: histogram.percentile(0.5), p99: histogram.percentile(0.99),
      p999: histogram.percentile(0.999), maximum: Double(histogram.maximum))
  }

  @inline(__always)
  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(bitPattern: Int64(time.tv_sec)) &* 1_000_000_000
      &+ UInt64(bitPattern: Int64(time.tv_nsec))
  }
}

/// How long the operations of a loop took. Unit: nanoseconds.
struct Latency: Sendable {
  let median: Double
  let p99: Double
  let p999: Double
  let maximum: Double
}
