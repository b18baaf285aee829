import Server
import Testing

@Suite("Memory tries") struct MemoryTriesTests {
  /// How many of so many look-ups are tried, when each try ends so.
  private func tries(_ count: Int, _ memory: MemoryTries, succeed: (Int) -> Bool) -> Int {
    var tries = 0
    for index in 0..<count where memory.isDue {
      tries += 1
      if succeed(index) { memory.succeeded() } else { memory.wouldBlock() }
    }
    return tries
  }

  @Test func areAllMadeWhileTheySucceed() {
    let memory = MemoryTries()
    #expect(tries(1000, memory) { _ in true } == 1000)
    // One that fails now and then changes nothing.
    #expect(tries(1000, memory) { $0 % 2 == 0 } == 1000)
  }

  @Test func areRareWhileTheyFail() {
    let memory = MemoryTries()
    _ = tries(1000, memory) { _ in false }
    #expect(tries(1600, memory) { _ in false } == 100)
  }

  @Test func areMadeAgainSoonAfterTheySucceed() {
    let memory = MemoryTries()
    _ = tries(1000, memory) { _ in false }
    _ = tries(16 * 20, memory) { _ in true }
    #expect(tries(1000, memory) { _ in true } == 1000)
  }
}

@Suite("Tries by tier") struct TriesByTierTests {
  @Test(arguments: [true, false]) func judgesEachTierByItself(mayReadBlocks: Bool) {
    let tries = TriesByTier()
    for _ in 0..<1000 { tries[mayReadBlocks].wouldBlock() }
    #expect(tries[!mayReadBlocks].isDue)
    #expect((0..<15).map { _ in tries[mayReadBlocks].isDue }.count { $0 } <= 1)
  }
}
