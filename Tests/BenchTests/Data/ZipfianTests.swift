import Glibc
import Testing
import seandb_bench

@Suite("Zipfian numbers")
struct ZipfianTests {
  /// YCSB's ScrambledZipfianGenerator.java has the sum for ten billion ranks as a constant.
  @Test func sumsAsYCSBDoes() {
    #expect(abs(Zipfian.zeta(10_000_000_000, 0.99) - 26.469_028_201_783_02) < 1e-6)
  }

  @Test(arguments: [1, 2, 999, 1000, 1001, 1500, 100_000])
  func sumsWhatTheTermsSay(count: Int) {
    var sum = 0.0
    for term in 1...count { sum += 1 / pow(Double(term), 0.99) }
    #expect(abs(Zipfian.zeta(count, 0.99) - sum) < 1e-9)
  }

  @Test func drawsEachRankByItsShare() {
    let zipfian = Zipfian(count: 1000)
    var random = SplitMix64(seed: 3)
    var counts = [Int](repeating: 0, count: 1000)
    let draws = 1_000_000
    for _ in 0..<draws { counts[zipfian.next(&random)] += 1 }
    let zeta = Zipfian.zeta(1000, 0.99)
    // The first two have their exact shares.
    for rank in 0..<2 {
      let share = 1 / pow(Double(rank + 1), 0.99) / zeta
      #expect(abs(Double(counts[rank]) / Double(draws) - share) < 0.002)
    }
    // The rest follows the curve: compared by the sums of ranges, which the method gets right to a tenth.
    for range in [2..<10, 10..<100, 100..<1000] {
      let share = range.reduce(0.0) { $0 + 1 / pow(Double($1 + 1), 0.99) / zeta }
      let drawn = Double(counts[range].reduce(0, +)) / Double(draws)
      #expect(abs(drawn / share - 1) < 0.1, "ranks \(range): \(drawn), not \(share)")
    }
  }

  @Test(arguments: [1, 2, 3, 7])
  func staysBelowASmallCount(count: Int) {
    let zipfian = Zipfian(count: count)
    var random = SplitMix64(seed: 4)
    var seen: Set<Int> = []
    for _ in 0..<10_000 { seen.insert(zipfian.next(&random)) }
    #expect(seen.allSatisfy { (0..<count).contains($0) })
    #expect(seen.contains(0))
  }

  @Test func growsToWhatALargerOneIs() {
    var grown = Zipfian(count: 5000)
    grown.grow(to: 5200)
    let large = Zipfian(count: 5200)
    var first = SplitMix64(seed: 5)
    var second = SplitMix64(seed: 5)
    for _ in 0..<10_000 { #expect(abs(grown.next(&first) - large.next(&second)) <= 1) }
  }

  @Test func scattersThePopularOnes() {
    let count = 100_000
    let scrambled = ScrambledZipfian(count: count)
    var random = SplitMix64(seed: 6)
    var counts = [Int](repeating: 0, count: count)
    for _ in 0..<1_000_000 { counts[scrambled.next(&random)] += 1 }
    // The most popular number has the share of rank 0, 1 / 26.5, whatever the count.
    let most = counts.max() ?? 0
    #expect(abs(Double(most) / 1_000_000 - 1 / 26.469) < 0.002)
    let popular = counts.indices.sorted { counts[$0] > counts[$1] }.prefix(100)
    for quarter in 0..<4 {
      let range = quarter * count / 4..<(quarter + 1) * count / 4
      #expect(popular.count { range.contains($0) } > 10, "\(range)")
    }
  }
}
