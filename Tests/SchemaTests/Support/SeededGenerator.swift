import Glibc

/// Random numbers that a printed seed brings back (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// A new seed, or the one in `SEANDB_TEST_SEED`. It is printed, so that a failure can be
  /// replayed.
  static func seeded(_ test: String) -> SeededGenerator {
    let given = environmentSeed()
    let seed = given ?? UInt64.random(in: 0...UInt64.max)
    print("\(test): SEANDB_TEST_SEED=\(seed)")
    return SeededGenerator(seed: seed)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}

private func environmentSeed() -> UInt64? {
  getenv("SEANDB_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
}
