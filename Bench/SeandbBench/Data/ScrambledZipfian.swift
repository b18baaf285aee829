/// Zipfian numbers whose popular ones lie scattered over all, as YCSB's ScrambledZipfianGenerator draws them.
package struct ScrambledZipfian: Sendable {
  /// That of YCSB: so the shares of the popular numbers do not depend on how many numbers there are.
  private static let rankCount = 10_000_000_000

  private let ranks = Zipfian(count: rankCount)
  private let count: Int

  /// - Precondition: `count` is positive.
  package init(count: Int) {
    precondition(count > 0, "there is a number to draw")
    self.count = count
  }

  /// A number from 0 up to but without `count`.
  package func next(_ random: inout SplitMix64) -> Int {
    // YCSB hashes by FNV-1; any hash will do.
    let hash = SplitMix64.mix(UInt64(ranks.next(&random)) &+ 1)
    return Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(count)).high)
  }
}
