import Glibc
import LSM
import LSMTestSupport
import Testing

/// What flush and compaction do to the tables, seen by their counts.
@Suite("Tree compaction") struct TreeCompactionTests {
  private static func key(_ number: Int) -> [UInt8] { TreeTests.key(number) }

  private static func fill(_ tree: LSMTree, _ range: Range<Int>, tag: UInt8 = 1) throws {
    for number in range {
      try tree.apply([.put(key(number), [UInt8](repeating: tag, count: 50))])
    }
  }

  private static func entryCount(_ tree: LSMTree) throws -> UInt64 {
    try tree.statistics().estimatedKeyCount
  }

  @Test func movesTablesThatNothingOverlaps() throws {
    let tree = try TreeTests.open(MemoryFileSystem())
    try Self.fill(tree, 0..<500)
    let totals = try tree.statistics().totals
    #expect(totals.moveCount > 0)
    // Sequential writes are written once.
    #expect(totals.compactedBytesWritten == 0)
    #expect(try tree.records().records.count == 500)
    try tree.close()
  }

  @Test func accountsForEveryEntry() throws {
    let tree = try TreeTests.open(MemoryFileSystem())
    for tag in 1...4 as ClosedRange<UInt8> { try Self.fill(tree, 0..<200, tag: tag) }
    for number in 0..<100 { try tree.apply([.delete(Self.key(number))]) }
    try tree.apply([.deleteRange(Self.key(150), Self.key(180))])
    try tree.compact()
    let statistics = try tree.statistics()
    let merged = statistics.totals.merged
    #expect(merged.read == merged.written + merged.dropped)
    #expect(merged.shadowed > 0 && merged.spentTombstones > 0)
    #expect(statistics.estimatedKeyCount == 70)
    #expect(statistics.rangeTombstoneCount == 0)
    try tree.close()
  }

  @Test func tombstonesStayWhileSomethingLiesBelow() throws {
    var options = TreeOptions.tiny
    options.level0CompactionCount = 100
    options.memtableSizeBytes = 1 << 20
    let tree = try TreeTests.open(MemoryFileSystem(), options)
    try Self.fill(tree, 0..<50)
    try tree.compact()
    for number in 0..<50 { try tree.apply([.delete(Self.key(number))]) }
    try tree.flush()
    #expect(try tree.records().records.isEmpty)
    #expect(try tree.value(Self.key(7)).outcome == .absent)
    try tree.compact()
    #expect(try Self.entryCount(tree) == 0)
    #expect(try tree.statistics().levels.allSatisfy { $0.fileCount == 0 })
    try tree.close()
  }

  @Test func dropsTablesThatARangeDeleteCoversWithoutReadingThem() throws {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.table.compression = .none
    let tree = try TreeTests.open(MemoryFileSystem(), options)
    // Twice, so that a merge cuts it into small tables.
    for tag in 1...2 as ClosedRange<UInt8> {
      try Self.fill(tree, 0..<500, tag: tag)
      try tree.flush()
    }
    try tree.compact()
    try tree.apply([.deleteRange(Self.key(0), Self.key(400))])
    try tree.compact()
    let merged = try tree.statistics().totals.merged
    #expect(merged.skipped > 300)
    #expect(try tree.records().records.count == 100)
    #expect(try tree.statistics().rangeTombstoneCount == 0)
    try tree.close()
  }

  @Test func aReleasedSnapshotGivesItsSpaceBack() throws {
    let tree = try TreeTests.open(MemoryFileSystem())
    try Self.fill(tree, 0..<100, tag: 1)
    var snapshot: TreeSnapshot? = tree.snapshot()
    try Self.fill(tree, 0..<100, tag: 2)
    try tree.apply([.deleteRange(Self.key(50), Self.key(60))])
    try tree.compact()
    #expect(try Self.entryCount(tree) >= 190)
    let held = try tree.records(snapshot: snapshot).records
    #expect(held.count == 100 && held.allSatisfy { $0.value.first == 1 })
    #expect(try tree.records().records.count == 90)
    snapshot = nil
    // Background work that becomes due is done by the next write here.
    try tree.apply([.put(Self.key(1000), [1])])
    try tree.flush()
    #expect(try Self.entryCount(tree) == 91)
    #expect(try tree.statistics().rangeTombstoneCount == 0)
    try tree.close()
  }

  /// The background threads sleep by then: the release wakes them.
  @Test func aReleasedSnapshotWakesWhatWaitsForIt() throws {
    var options = TreeOptions.tiny
    options.backgroundThreads = 2
    for _ in 0..<20 {
      let tree = try TreeTests.open(MemoryFileSystem(), options)
      try Self.fill(tree, 0..<100, tag: 1)
      var snapshot: TreeSnapshot? = tree.snapshot()
      try Self.fill(tree, 0..<100, tag: 2)
      try tree.compact()
      #expect(try Self.entryCount(tree) == 200)
      // Others come and go meanwhile.
      for _ in 0..<10 { _ = tree.snapshot() }
      #expect(snapshot != nil)
      snapshot = nil
      let clock = ContinuousClock()
      let deadline = clock.now + .seconds(120)
      while try Self.entryCount(tree) == 200 {
        try #require(clock.now < deadline)
        // Asking takes the lock that the threads need.
        for _ in 0..<1000 { sched_yield() }
      }
      try tree.close()
    }
  }

  /// A scan over a deleted range must not read what the range delete hides.
  @Test(arguments: [false, true])
  func jumpsOverADeletedRange(descending: Bool) throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.cacheSizeBytes = 0
    let tree = try TreeTests.open(fileSystem, options)
    try Self.fill(tree, 0..<2000)
    try tree.compact()
    try tree.apply([.deleteRange(Self.key(10), Self.key(1990))])
    let before = fileSystem.calls
    let found = try tree.records(descending: descending).records
    #expect(found.count == 20)
    // Some 400 blocks hold 2000 records: only those at both ends are read.
    #expect(fileSystem.calls - before < 20)
    try tree.close()
  }

  @Test func flushesAfterManyRangeDeletes() throws {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.rangeDeletesBeforeFlush = 10
    let tree = try TreeTests.open(MemoryFileSystem(), options)
    for number in 0..<25 {
      try tree.apply([.deleteRange(Self.key(number), Self.key(number + 5))])
    }
    #expect(try tree.statistics().totals.flushCount == 2)
    try tree.close()
  }

  @Test func compactsOnlyTheRangeAskedFor() throws {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.level0CompactionCount = 100
    let tree = try TreeTests.open(MemoryFileSystem(), options)
    try Self.fill(tree, 0..<1000)
    try tree.compact()
    for number in stride(from: 0, to: 1000, by: 100) { try tree.apply([.delete(Self.key(number))]) }
    let before = try tree.statistics().totals.compactedBytesRead
    try tree.compact(Self.key(0), Self.key(150))
    let read = try tree.statistics().totals.compactedBytesRead - before
    let all = try tree.statistics().levels.reduce(0) { $0 + $1.bytes }
    // Level 0 is taken as a whole; below it only what overlaps.
    #expect(read > 0 && read <= 2 * all)
    #expect(try tree.records().records.count == 990)
    try tree.close()
  }
}
