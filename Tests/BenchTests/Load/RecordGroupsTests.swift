import Testing
import seandb_bench

@Suite("Groups of records")
struct RecordGroupsTests {
  @Test(arguments: [1, 10, 32])
  func haveAsManyRecordsAsAskedForAndEachOnce(size: Int) {
    let groups = RecordGroups(records: 96 * size, size: size)
    #expect(groups.count == 96)
    // Those that are inserted later as well.
    let numbers = (0..<2 * 96 * size).map { groups.group(of: $0) }
    let members = Dictionary(grouping: numbers.indices) { numbers[$0] }
    #expect(members.count == 2 * 96)
    #expect(members.values.allSatisfy { $0.count == size })
    #expect(members.keys.max() == 2 * 96 - 1)
  }

  @Test func lieScatteredInTheOrderOfKeys() {
    let groups = RecordGroups(records: 1000, size: 10)
    #expect((0..<10).map { groups.group(of: 37 + $0 * 100) } == Array(repeating: 37, count: 10))
  }

  @Test func haveBreedsOfTheirOwnInEachGeneration() {
    var seen: Set<UInt64> = []
    for group in 0..<1000 {
      for generation in RecordGroups.generations {
        seen.insert(RecordGroups.breed(ofGroup: group, generation: generation))
      }
    }
    #expect(seen.count == 1000 * RecordGroups.generations.count)
  }

  @Test func areOfChipsThatDiffer() {
    let chips = Set(
      (0..<10_000).map { [RecordGroups.chip(of: $0).0, RecordGroups.chip(of: $0).1] })
    #expect(chips.count == 10_000)
    #expect(chips.joined().allSatisfy(isText))
  }

  /// Eight hexadecimal digits.
  private func isText(_ letters: UInt64) -> Bool {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: letters >> (56 - 8 * UInt64($0))) }
    return bytes.allSatisfy { Array("0123456789abcdef".utf8).contains($0) }
  }

  @Test(arguments: [1, 2, 3])
  func areInsertedWithEachRecordOnce(threads: Int) {
    let shape = LoadShape(
      workload: .insert, connections: 4, inFlight: 1, threads: threads, duration: 0, records: 1000,
      sizes: CallSizes(), seed: 1, stream: 1)
    var seen: Set<Int> = []
    for number in 0..<10_000 {
      for thread in 0..<threads { seen.insert(shape.insertIndex(number, thread: thread)) }
    }
    #expect(seen.count == 10_000 * threads)
    #expect(seen.allSatisfy { (1000..<1000 + LoadShape.insertCount).contains($0) })
  }
}
