/// A seeded order of the numbers below `count`, computed and not stored.
///
/// Multiplying by an odd number and folding the upper bits down are each one to one on a power of two; what
/// falls at or past `count` walks on until it does not, which is one to one again and takes less than two steps
/// on average (Black, Rogaway, "Ciphers with arbitrary finite domains", 2002).
package struct Permutation: Sendable {
  package let count: Int
  private let mask: UInt64
  private let shift: UInt64
  private let firstFactor: UInt64
  private let secondFactor: UInt64
  private let offset: UInt64

  /// - Precondition: `count` is positive.
  package init(count: Int, seed: UInt64, stream: UInt64) {
    precondition(count > 0, "a permutation orders at least one number")
    self.count = count
    let bits = max(2, UInt64.bitWidth - UInt64(count - 1).leadingZeroBitCount)
    mask = UInt64.max >> UInt64(UInt64.bitWidth - bits)
    shift = UInt64((bits + 1) / 2)
    var random = SplitMix64(seed: seed, stream: stream)
    firstFactor = random.next() | 1
    secondFactor = random.next() | 1
    offset = random.next()
  }

  /// The numbers in their own order, at the same cost.
  package init(sequential count: Int) {
    self.count = count
    mask = .max
    shift = 63
    firstFactor = 1
    secondFactor = 1
    offset = 0
  }

  /// The number at `position`.
  /// - Precondition: `position` is not negative and below `count`.
  @inline(__always)
  package func number(at position: Int) -> Int {
    var number = UInt64(truncatingIfNeeded: position)
    repeat {
      number = (number &* firstFactor &+ offset) & mask
      number ^= number &>> shift
      number = (number &* secondFactor) & mask
      number ^= number &>> shift
    } while number >= UInt64(count)
    return Int(truncatingIfNeeded: number)
  }

  /// The positions of one of `count` threads, when they share all below `total`; their sizes differ by one at most.
  package static func share(_ number: Int, of count: Int, in total: Int) -> Range<Int> {
    let (quotient, remainder) = total.quotientAndRemainder(dividingBy: count)
    let begin = number * quotient + min(number, remainder)
    return begin..<begin + quotient + (number < remainder ? 1 : 0)
  }
}
