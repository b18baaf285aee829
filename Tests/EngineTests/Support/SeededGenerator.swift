import Foundation

/// A small deterministic random source (SplitMix64), so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// The seeds a random test runs with: fixed ones, or the one in `SEANDB_TEST_SEED`.
  static var seeds: [UInt64] {
    if let text = ProcessInfo.processInfo.environment["SEANDB_TEST_SEED"], let seed = UInt64(text) {
      return [seed]
    }
    return [1, 2, 3, UInt64.random(in: .min ... .max)]
  }
}
