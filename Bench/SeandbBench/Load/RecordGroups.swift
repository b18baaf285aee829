/// Which records of the load share a breed, and what those of their fields hold that indexes are on.
///
/// The records of a group lie far from each other in the order of keys, as those with an equal value do that nobody
/// has sorted: to read them is to look into as many places. Their breeds and chips are in no order at all.
package struct RecordGroups: Equatable, Sendable {
  /// More have no breeds of their own.
  package static let countRange = 1...1 << 25
  /// A record's generations: 1 when it is stored first, another one after each change.
  package static let generations: ClosedRange<UInt8> = 1...127

  /// Groups of the records that a fill stores.
  package let count: Int
  /// Records of a group.
  package let size: Int

  /// - Precondition: `records` is a multiple of `size`, and ``countRange`` has their quotient.
  package init(records: Int, size: Int) {
    precondition(records % size == 0, "groups are whole")
    count = records / size
    precondition(Self.countRange.contains(count), "as many as countRange says")
    self.size = size
  }

  /// The group of a record. Those that are inserted after the fill have groups of their own.
  @inline(__always)
  package func group(of index: Int) -> Int {
    let filled = count * size
    return index < filled ? index % count : count + (index - filled) / size
  }

  /// The eight letters of a breed, which a group shares in each generation. The first one is in the most significant
  /// byte. Those of the first ``count`` groups differ.
  @inline(__always)
  package static func breed(ofGroup group: Int, generation: UInt8) -> UInt64 {
    hexDigits(mix(UInt32(truncatingIfNeeded: group << 7 | Int(generation))))
  }

  /// The sixteen letters of a chip, which a record has alone and keeps: the first and the last eight.
  @inline(__always)
  package static func chip(of index: Int) -> (UInt64, UInt64) {
    let number = SplitMix64.mix(UInt64(bitPattern: Int64(index)) &+ 1)
    return (
      hexDigits(UInt32(truncatingIfNeeded: number >> 32)),
      hexDigits(UInt32(truncatingIfNeeded: number))
    )
  }

  /// One to one on 32 bits (Appleby, MurmurHash3, fmix32).
  @inline(__always)
  private static func mix(_ number: UInt32) -> UInt32 {
    var mixed = number
    mixed = (mixed ^ (mixed >> 16)) &* 0x85eb_ca6b
    mixed = (mixed ^ (mixed >> 13)) &* 0xc2b2_ae35
    return mixed ^ (mixed >> 16)
  }

  @inline(__always)
  private static func hexDigits(_ number: UInt32) -> UInt64 {
    var letters: UInt64 = 0
    for place in 0..<8 {
      let digit = UInt64(truncatingIfNeeded: number &>> UInt32(28 - 4 * place) & 15)
      letters = letters << 8 | (digit < 10 ? 48 + digit : 87 + digit)
    }
    return letters
  }
}
