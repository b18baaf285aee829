import Testing
import seandb_bench

@Suite("Orders of keys")
struct PermutationTests {
  @Test(arguments: [1, 2, 3, 64, 65, 1000, 4097, 100_003])
  func visitsEachNumberOnce(count: Int) {
    for seed in 0..<5 as Range<UInt64> {
      let order = Permutation(count: count, seed: seed, stream: 7)
      var seen = [Bool](repeating: false, count: count)
      for position in 0..<count {
        let number = order.number(at: position)
        #expect(!seen[number])
        seen[number] = true
      }
    }
  }

  @Test func differsBySeedAndStream() {
    func numbers(_ seed: UInt64, _ stream: UInt64) -> [Int] {
      let order = Permutation(count: 1000, seed: seed, stream: stream)
      return (0..<1000).map(order.number)
    }
    #expect(numbers(1, 1) == numbers(1, 1))
    #expect(numbers(1, 1) != numbers(2, 1))
    #expect(numbers(1, 1) != numbers(1, 2))
    #expect(numbers(1, 1) != Array(0..<1000))
  }

  @Test func keepsASequenceAsItIs() {
    let order = Permutation(sequential: 1000)
    #expect((0..<1000).allSatisfy { order.number(at: $0) == $0 })
  }

  @Test(arguments: [(1, 10), (3, 10), (7, 3), (4, 1 << 40), (1024, 1 << 50)])
  func sharesAllPositions(threads: Int, total: Int) {
    var end = 0
    for number in 0..<threads {
      let share = Permutation.share(number, of: threads, in: total)
      #expect(share.lowerBound == end)
      #expect(share.count == total / threads || share.count == total / threads + 1)
      end = share.upperBound
    }
    #expect(end == total)
  }
}
