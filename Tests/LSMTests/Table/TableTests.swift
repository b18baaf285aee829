import LSM
import LSMTestSupport
import Synchronization
import TestSupport
import Testing

@Suite("Table") struct TableTests {
  private static func deletions(
    _ count: Int, _ random: inout SeededGenerator
  ) -> [TableFixture.Deletion] {
    (0..<count).compactMap { place in
      let (first, second) = (random.key(), random.key())
      guard first != second else { return nil }
      let ordered = first.lexicographicallyPrecedes(second)
      return TableFixture.Deletion(
        lower: ordered ? first : second, upper: ordered ? second : first,
        sequence: UInt64(place) * 39 + 1001)
    }
  }

  private static func expected(
    _ fixture: TableFixture, _ key: [UInt8], _ sequence: UInt64
  ) -> TableAnswer {
    let entry = fixture.entries.first { $0.key == key && $0.sequence <= sequence }
    let deletion = fixture.deletions.filter { $0.sequence <= sequence && $0.covers(key) }
      .map(\.sequence).max()
    if let entry, entry.sequence > deletion ?? 0 {
      return entry.kind == .value ? .value(entry.value, entry.sequence) : .deleted(entry.sequence)
    }
    return deletion.map { .deleted($0) } ?? .absent
  }

  @Test(arguments: SeededGenerator.seeds, [0, 64 << 10, 8 << 20])
  func readsLikeASortedArray(seed: UInt64, cacheBytes: Int) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<6 {
      // Sequence numbers 1, 4, 7 ... leave room for the range tombstones between them.
      let entries = random.entries(round == 0 ? 1 : 600).map { entry in
        Entry(entry.key, entry.sequence * 3, entry.kind, value: entry.value)
      }
      let fixture = try TableFixture(
        entries, deletions: round == 2 ? Self.deletions(20, &random) : [],
        options: TableFixture.options(&random))
      let cache = BlockCache(capacityBytes: cacheBytes)
      let table = try fixture.open(cache: cache)
      #expect(table.properties == fixture.properties)
      #expect(try table.allEntries() == fixture.entries)
      #expect(try table.allEntries(forward: false) == fixture.entries.reversed())
      for _ in 0..<400 {
        let key =
          Bool.random(using: &random)
          ? random.key() : fixture.entries.randomElement(using: &random)?.key ?? []
        let sequence = UInt64.random(in: 0...2000, using: &random)
        #expect(
          try table.answer(key, at: sequence) == Self.expected(fixture, key, sequence))
        #expect(
          try table.answer(key, at: SequenceNumber.maximum.rawValue)
            == Self.expected(fixture, key, .max))
      }
      try checkSeeks(table, fixture.entries, &random)
    }
  }

  private func checkSeeks(
    _ table: Table, _ sorted: [Entry], _ random: inout SeededGenerator
  ) throws {
    let iterator = table.makeIterator(tier: .any)
    func here() -> Entry? {
      iterator.isValid ? Entry(iterator.key, value: iterator.value) : nil
    }
    for _ in 0..<200 {
      let key =
        Bool.random(using: &random)
        ? random.key() : sorted.randomElement(using: &random)?.key ?? []
      let target = Entry(key, UInt64.random(in: 0...2000, using: &random))
      let index = sorted.firstIndex { !($0 < target) }
      try target.withKey { (key) throws(LSMError) in try iterator.seek(key) }
      #expect(here() == index.map { sorted[$0] })
      try target.withKey { (key) throws(LSMError) in try iterator.seekBefore(key) }
      var place = (index ?? sorted.count) - 1
      #expect(here() == (place < 0 ? nil : sorted[place]))
      for _ in 0..<8 where iterator.isValid {
        if Bool.random(using: &random) {
          try iterator.next()
          place += 1
        } else {
          try iterator.previous()
          place -= 1
        }
        #expect(here() == (sorted.indices.contains(place) ? sorted[place] : nil))
      }
    }
    // Before every version of a key, also where a separator says the same.
    for entry in sorted {
      try entry.key.withUnsafeBytes { try iterator.seek(.first(of: $0)) }
      #expect(here() == sorted.first { $0.key == entry.key })
    }
  }

  @Test func knowsItsCountsAndBounds() throws {
    var options = TableOptions()
    options.blockBytes = 1
    let fixture = try TableFixture(
      [
        Entry([2], 5, value: [1, 2, 3]), Entry([2], 4, .tombstone), Entry([3, 3], 9, .tombstone),
      ],
      deletions: [.init(lower: [1], upper: [3], sequence: 7)], options: options)
    let properties = fixture.properties
    #expect(properties.entryCount == 3)
    #expect(properties.tombstoneCount == 2)
    #expect(properties.rangeTombstoneCount == 1)
    #expect(properties.dataBlockCount == 3)
    #expect(properties.denseTombstoneBlockCount == 2)
    #expect(properties.keyBytes == 4)
    #expect(properties.valueBytes == 3)
    #expect(properties.smallestSequence.rawValue == 4)
    #expect(properties.largestSequence.rawValue == 9)
    #expect(properties.smallest == [1, 2, 7, 0, 0, 0, 0, 0, 0])
    #expect(properties.largest == [3, 3, 0, 9, 0, 0, 0, 0, 0, 0])
  }

  @Test func aRangeTombstoneAloneIsATable() throws {
    let fixture = try TableFixture(
      [], deletions: [.init(lower: [1], upper: [3], sequence: 7)], options: TableOptions())
    let table = try fixture.open(cache: BlockCache(capacityBytes: 0))
    #expect(try table.allEntries().isEmpty)
    #expect(try table.answer([1], at: 7) == .deleted(7))
    #expect(try table.answer([1], at: 6) == .absent)
    #expect(try table.answer([3], at: 9) == .absent)
    #expect(fixture.properties.largest == [3] + [UInt8](repeating: 0xFF, count: 8))
  }

  @Test func anEmptyTableAnswersNothing() throws {
    let table = try TableFixture([], options: TableOptions())
      .open(cache: BlockCache(capacityBytes: 0))
    #expect(try table.allEntries().isEmpty)
    #expect(try table.allEntries(forward: false).isEmpty)
    #expect(try table.answer([1], at: 7) == .absent)
  }

  /// A table of many blocks.
  private static func smallBlocks(seed: UInt64) throws -> TableFixture {
    var random = SeededGenerator(seed: seed)
    var options = TableOptions()
    options.blockBytes = 200
    return try TableFixture(random.entries(300), options: options)
  }

  @Test func memoryTierAnswersFromTheCacheOnly() throws {
    let fixture = try Self.smallBlocks(seed: 11)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 8 << 20))
    let entry = try #require(fixture.entries.dropFirst(150).first { $0.kind == .value })
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .memory) == .wouldBlock)
    #expect(throws: LSMError.wouldBlock) { try table.allEntries(tier: .memory) }
    #expect(throws: LSMError.wouldBlock) { try table.allEntries(forward: false, tier: .memory) }
    let answer = TableAnswer.value(entry.value, entry.sequence)
    #expect(
      try table.answer(entry.key, at: entry.sequence, tier: .anyWithoutFilling) == answer)
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .memory) == .wouldBlock)
    #expect(try table.answer(entry.key, at: entry.sequence) == answer)
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .memory) == answer)
    // What the filter rejects needs no disk.
    #expect(try table.answer([9, 9, 9, 9, 9, 9], at: 1, tier: .memory) == .absent)
    _ = try table.allEntries()
    #expect(try table.allEntries(tier: .memory) == fixture.entries)
  }

  @Test func pageCacheTierReadsOnlyWhatTheSystemHasInMemory() throws {
    let fixture = try Self.smallBlocks(seed: 13)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 8 << 20))
    let entry = try #require(fixture.entries.dropFirst(150).first { $0.kind == .value })
    let answer = TableAnswer.value(entry.value, entry.sequence)
    let none: @Sendable (String, UInt64) -> Bool = { _, _ in false }
    fixture.fileSystem.setCached(none)
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .pageCache) == .wouldBlock)
    #expect(throws: LSMError.wouldBlock) { try table.allEntries(tier: .pageCache) }
    fixture.fileSystem.setCached(nil)
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .pageCache) == answer)
    // It stays in the block cache.
    fixture.fileSystem.setCached(none)
    #expect(try table.answer(entry.key, at: entry.sequence, tier: .memory) == answer)
    fixture.fileSystem.setCached(nil)
    #expect(try table.allEntries(forward: false, tier: .pageCache) == fixture.entries.reversed())
  }

  /// By their bytes before compression: these are some hundred with a codec.
  @Test(arguments: Compression.allCases)
  func pageCacheTierLeavesLargeBlocksToThreadsThatMayBlock(compression: Compression) throws {
    var options = TableOptions()
    options.compression = compression
    let entries = [
      Entry([1], 1, value: [UInt8](repeating: 7, count: 60 << 10)),
      Entry([2], 1, value: [UInt8](repeating: 7, count: 70 << 10)),
    ]
    let fixture = try TableFixture(entries, options: options)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 8 << 20))
    #expect(try table.answer([1], at: 1, tier: .pageCache) == .value(entries[0].value, 1))
    #expect(try table.answer([2], at: 1, tier: .pageCache) == .wouldBlock)
  }

  @Test func readsAheadOnlyForBlocksInARow() throws {
    var random = SeededGenerator(seed: 14)
    var options = TableOptions()
    options.compression = .none
    let fixture = try TableFixture(random.entries(4000, valueBytes: 90..<110), options: options)
    let prefetches = { fixture.fileSystem.takePrefetches() }
    let table = try fixture.open(cache: BlockCache(capacityBytes: 0))
    for entry in fixture.entries.prefix(50) { _ = try table.answer(entry.key, at: entry.sequence) }
    let iterator = table.makeIterator(tier: .any)
    try iterator.seekToFirst()
    #expect(prefetches().isEmpty)
    while iterator.isValid { try iterator.next() }
    // Without holes, in pieces that grow.
    let found = prefetches()
    #expect(found.count > 2)
    #expect(found.first?.lowerBound ?? 0 > 0)
    for (before, after) in zip(found, found.dropFirst()) {
      #expect(before.upperBound == after.lowerBound)
      #expect(before.count <= after.count)
    }
    #expect(found.last?.upperBound ?? 0 > fixture.properties.storedDataBytes)
    _ = try table.allEntries(tier: .pageCache)
    #expect(prefetches().isEmpty)
    try table.makeIterator(tier: .anyWithoutFilling).seekToFirst()
    #expect(prefetches() == [0..<512 << 10])
  }

  @Test func anIteratorGoesOnAfterAnError() throws {
    let fixture = try Self.smallBlocks(seed: 12)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 8 << 20))
    let iterator = table.makeIterator(tier: .memory)
    #expect(throws: LSMError.wouldBlock) { try iterator.seekToFirst() }
    #expect(!iterator.isValid)
    _ = try table.allEntries()
    try iterator.seekToFirst()
    #expect(iterator.isValid)
  }

  /// The iterator is the last to hold the table and the cache: its pin must go before them.
  @Test func anIteratorOutlivesWhoOpenedTheTable() throws {
    var random = SeededGenerator(seed: 13)
    let fixture = try TableFixture(random.entries(100), options: TableOptions())
    var iterator: TableIterator? = try fixture.open(cache: BlockCache(capacityBytes: 8 << 20))
      .makeIterator(tier: .any)
    try iterator?.seekToFirst()
    #expect(iterator.map { Entry($0.key, value: $0.value) } == fixture.entries.first)
    iterator = nil
  }

  @Test func refusesKeysOutOfOrder() throws {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/db")
    for (first, second) in [
      (Entry([2], 1), Entry([1], 2)), (Entry([1], 1), Entry([1], 2)),
      (Entry([1], 1), Entry([1], 1)),
    ] {
      let path = TableFixture.path
      if try fileSystem.exists(path) { try fileSystem.remove(path) }
      var builder = TableBuilder(file: try fileSystem.create(path), path: path, identity: 1)
      try TableFixture.add(first, to: &builder)
      var thrown: LSMError?
      do throws(LSMError) {
        try TableFixture.add(second, to: &builder)
      } catch {
        thrown = error
      }
      #expect(thrown == .unsortedKeys(path: path))
    }
  }
}
