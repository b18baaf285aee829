import Glibc

// SAFETY: the text of a variable ends with NUL, and is copied at once.

/// A small deterministic random source (SplitMix64), so that a failing run can be repeated.
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number from 0 up to `bound`.
  package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// The seed in `SEANDB_TEST_SEED`, or a new one.
  package static func drawnSeed() -> UInt64 {
    if let text = unsafe getenv("SEANDB_TEST_SEED"), let seed = unsafe UInt64(String(cString: text))
    {
      return seed
    }
    return UInt64.random(in: .min ... .max)
  }

  /// The seeds a random test runs with: fixed ones and a drawn one, or the one in `SEANDB_TEST_SEED`. As a test's
  /// argument the seed is printed with every failure.
  package static var seeds: [UInt64] {
    unsafe getenv("SEANDB_TEST_SEED") == nil ? [1, 2, 3, drawnSeed()] : [drawnSeed()]
  }

  /// A generator of ``drawnSeed()``, which is printed, so that a failure can be replayed.
  package static func seeded(_ test: String) -> SeededGenerator {
    let seed = drawnSeed()
    print("\(test): SEANDB_TEST_SEED=\(seed)")
    return SeededGenerator(seed: seed)
  }
}
