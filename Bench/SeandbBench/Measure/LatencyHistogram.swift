/// Counts durations in buckets whose width grows with them: 32 to each power of two, so that a percentile is
/// right to 3 % and a record costs a few instructions.
///
///     bucket   0 … 63      the nanosecond itself
///              64 …        32 × (exponent - 4) + the 5 bits behind the highest one
///
/// Unsafe island. Invariants:
/// 1. `counts` has `bucketCount` initialised words from `init` to `deinit`.
/// 2. ``bucket(of:)`` is below `bucketCount` for every word.
struct LatencyHistogram: ~Copyable {
  private static let subBits = 5
  private static let bucketCount = (64 - subBits + 1) << subBits

  private let counts: UnsafeMutablePointer<UInt64>
  private(set) var count: UInt64 = 0
  private(set) var maximum: UInt64 = 0

  init() {
    counts = .allocate(capacity: Self.bucketCount)
    counts.initialize(repeating: 0, count: Self.bucketCount)
  }

  deinit { counts.deallocate() }

  @inline(__always)
  mutating func record(_ nanoseconds: UInt64) {
    // SAFETY: invariants 1 and 2.
    counts[Self.bucket(of: nanoseconds)] &+= 1
    count &+= 1
    if nanoseconds > maximum { maximum = nanoseconds }
  }

  /// The duration that a share of `fraction` does not exceed: the middle of its bucket, in nanoseconds.
  /// 0 when nothing was recorded.
  func percentile(_ fraction: Double) -> Double {
    let rank = max(1, UInt64((Double(count) * fraction).rounded(.up)))
    var seen: UInt64 = 0
    for bucket in 0..<Self.bucketCount {
      seen += counts[bucket]
      if seen >= rank { return min(Self.middle(of: bucket), Double(maximum)) }
    }
    return 0
  }

  @inline(__always)
  private static func bucket(of nanoseconds: UInt64) -> Int {
    if nanoseconds < UInt64(2 << subBits) { return Int(truncatingIfNeeded: nanoseconds) }
    let shift = 63 - nanoseconds.leadingZeroBitCount - subBits
    return (shift &<< subBits) + Int(truncatingIfNeeded: nanoseconds &>> UInt64(shift))
  }

  private static func middle(of bucket: Int) -> Double {
    if bucket < 2 << subBits { return Double(bucket) }
    let shift = (bucket >> subBits) - 1
    let width = Double(UInt64(1) << UInt64(shift))
    return (Double(bucket - (shift << subBits)) + 0.5) * width
  }
}
