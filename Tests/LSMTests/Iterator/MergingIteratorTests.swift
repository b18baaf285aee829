import LSM
import TestSupport
import Testing

@Suite("Merging iterator") struct MergingIteratorTests {
  /// Entries dealt out to memtables, which are the sources.
  private struct Fixture {
    let memtables: [Memtable]
    let sorted: [Entry]

    init(_ entries: [Entry], sources: Int, _ random: inout SeededGenerator) {
      memtables = (0..<sources).map { _ in Memtable(capacityBytes: 4 << 20) }
      sorted = entries.sorted()
      for entry in entries {
        let target = memtables[random.below(sources)]
        withBytes(entry.key, entry.value) {
          target.insert(
            $0, value: $1, sequence: SequenceNumber(rawValue: entry.sequence), kind: entry.kind)
        }
      }
    }

    func iterator() -> MergingIterator { MergingIterator(memtables.map { MergeSource($0) }) }
  }

  private static func entry(_ iterator: borrowing MergingIterator) -> Entry? {
    iterator.isValid ? Entry(iterator.key, value: iterator.value) : nil
  }

  private static func ascending(
    _ iterator: inout MergingIterator, limit: Int = .max
  ) throws(LSMError) -> [Entry] {
    var found: [Entry] = []
    while found.count < limit, let entry = entry(iterator) {
      found.append(entry)
      try iterator.next()
    }
    return found
  }

  private static func descending(
    _ iterator: inout MergingIterator, limit: Int = .max
  ) throws(LSMError) -> [Entry] {
    var found: [Entry] = []
    while found.count < limit, let entry = entry(iterator) {
      found.append(entry)
      try iterator.previous()
    }
    return found
  }

  @Test(arguments: SeededGenerator.seeds, [1, 2, 3, 8])
  func givesAllEntriesInOrderBothWays(seed: UInt64, sources: Int) throws {
    var random = SeededGenerator(seed: seed)
    let fixture = Fixture(random.entries(400), sources: sources, &random)
    var iterator = fixture.iterator()
    try iterator.seekToFirst()
    #expect(try Self.ascending(&iterator) == fixture.sorted)
    try iterator.seekToLast()
    #expect(try Self.descending(&iterator) == fixture.sorted.reversed())
    withExtendedLifetime(fixture) {}
  }

  @Test(arguments: SeededGenerator.seeds)
  func seeksAsALinearScanDoes(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let fixture = Fixture(random.entries(300), sources: 4, &random)
    var iterator = fixture.iterator()
    for _ in 0..<200 {
      let target = Entry(random.key(), UInt64(random.below(320)))
      try target.withKey { (key) throws(LSMError) in try iterator.seek(key) }
      #expect(
        try Self.ascending(&iterator, limit: 3)
          == Array(fixture.sorted.drop { $0 < target }.prefix(3)))
      try target.withKey { (key) throws(LSMError) in try iterator.seekBefore(key) }
      #expect(
        try Self.descending(&iterator, limit: 3)
          == Array(fixture.sorted.prefix { $0 < target }.reversed().prefix(3)))
    }
    withExtendedLifetime(fixture) {}
  }

  /// The others stay where they are: what a range tombstone hides in one source may count in another.
  @Test func seeksInTheSourceOnTopAlone() throws {
    let first = Memtable(capacityBytes: 1 << 16)
    let second = Memtable(capacityBytes: 1 << 16)
    for (memtable, key) in [(first, 1), (second, 2), (first, 3), (second, 4), (first, 5)] {
      withBytes([UInt8(key)], []) {
        memtable.insert($0, value: $1, sequence: SequenceNumber(rawValue: 1), kind: .value)
      }
    }
    var iterator = MergingIterator([MergeSource(first), MergeSource(second)])
    try iterator.seekToFirst()
    try Entry([5], .max >> 8).withKey { (key) throws(LSMError) in try iterator.seekTop(key) }
    #expect(try Self.ascending(&iterator).map(\.key) == [[2], [4], [5]])
    try iterator.seekToLast()
    try Entry([3], .max >> 8).withKey { (key) throws(LSMError) in try iterator.seekTopBefore(key) }
    #expect(try Self.descending(&iterator).map(\.key) == [[4], [2], [1]])
    withExtendedLifetime((first, second)) {}
  }

  @Test func isOnNoEntryWithoutSourcesOrEntries() throws {
    var iterator = MergingIterator([])
    try iterator.seekToFirst()
    #expect(Self.entry(iterator) == nil)
    let memtable = Memtable(capacityBytes: 1 << 16)
    var empty = MergingIterator([MergeSource(memtable)])
    try empty.seekToLast()
    #expect(Self.entry(empty) == nil)
    withExtendedLifetime(memtable) {}
  }
}
