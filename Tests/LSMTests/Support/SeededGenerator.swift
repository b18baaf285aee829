import Glibc

/// A small deterministic random source (SplitMix64), so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// The seeds a random test runs with: fixed ones and a drawn one, or the one in
  /// `SEANDB_TEST_SEED`. As a test's argument the seed is printed with every failure.
  static var seeds: [UInt64] {
    if let text = getenv("SEANDB_TEST_SEED"), let seed = UInt64(String(cString: text)) {
      return [seed]
    }
    return [1, 2, 3, UInt64.random(in: .min ... .max)]
  }

  /// A key of few different bytes, so that keys collide and begin with one another; now and then
  /// empty or long.
  mutating func key() -> [UInt8] {
    let length =
      Int.random(in: 0..<20, using: &self) == 0 ? 70 : Int.random(in: 0..<12, using: &self)
    let alphabet: [UInt8] = [0x00, 0x01, 0x61, 0x62, 0x7F, 0x80, 0xFF]
    return (0..<length).map { _ in alphabet.randomElement(using: &self) ?? 0 }
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
  }
}
