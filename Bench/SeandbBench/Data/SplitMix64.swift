/// A small seeded generator: the same seed gives the same numbers on every machine (Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", 2014).
package struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A generator of its own for every purpose, so that one more draw in one place changes no other.
  package init(seed: UInt64, stream: UInt64) {
    self.init(seed: Self.mix(seed) ^ Self.mix(stream &* 2 &+ 1))
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
  }

  /// A number from 0 up to but without `bound`; its bias is below `bound` / 2^64.
  @inline(__always)
  package mutating func next(below bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// One to one on 64 bits.
  @inline(__always)
  package static func mix(_ number: UInt64) -> UInt64 {
    var mixed = number
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
