import Glibc

/// A small deterministic random source (SplitMix64), so that a failing run can be repeated.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number from 0 up to `bound`.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// The seed in `SEANDB_TEST_SEED`, or a new one.
  static func drawnSeed() -> UInt64 {
    if let text = getenv("SEANDB_TEST_SEED"), let seed = UInt64(String(cString: text)) {
      return seed
    }
    return UInt64.random(in: .min ... .max)
  }
}
