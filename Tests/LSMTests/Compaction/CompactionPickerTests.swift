import LSM
import Testing

@Suite("Compaction picker") struct CompactionPickerTests {
  /// Levels of a few kilobytes.
  private static var options: TreeOptions {
    var options = TreeOptions()
    options.level0CompactionCount = 3
    options.baseLevelBytes = 20_000
    options.levelMultiplier = 10
    return options
  }

  private static func picker(
    _ levels: [Int: [TableFile]], oldestSnapshot: SequenceNumber = .maximum
  ) throws -> CompactionPicker {
    CompactionPicker(
      version: try TableMaker.version(levels), options: options, oldestSnapshot: oldestSnapshot)
  }

  /// Tables of level 0 over the same keys, newest first.
  private static func flushes(_ count: Int, _ maker: TableMaker) throws -> [TableFile] {
    try (0..<count).reversed().map {
      try maker.table(10...19, sequence: 100 + 20 * UInt64($0), epoch: 10 + UInt64($0))
    }
  }

  private static func isIdle(_ picker: CompactionPicker) -> Bool {
    if case nil = picker.pick() { true } else { false }
  }

  private static func numbers(_ files: [TableFile]) -> [FileNumber] {
    files.map(\.metadata.number)
  }

  @Test func leavesAVersionAloneThatIsAsItShouldBe() throws {
    let maker = try TableMaker()
    for levels in [[:], [0: try Self.flushes(2, maker), 6: [try maker.table(1...9)]]] {
      let picker = try Self.picker(levels)
      #expect(Self.isIdle(picker) && !picker.isBehind && picker.pendingBytes == 0)
    }
  }

  @Test func takesAllOfLevelZeroWithWhatItOverlapsInTheBaseLevel() throws {
    let maker = try TableMaker()
    let flushes = try Self.flushes(3, maker)
    let below = [try maker.table(1...5), try maker.table(6...12), try maker.table(15...15)]
    let aside = try maker.table(30...40)
    let picker = try Self.picker([0: flushes, 6: below + [aside]])
    let found = try #require(picker.pick())
    #expect(found.reason == .levelZeroCount && found.level == 0 && found.outputLevel == 6)
    #expect(Self.numbers(found.upper) == Self.numbers(flushes))
    #expect(Self.numbers(found.lower) == Self.numbers(Array(below.dropFirst())))
    #expect(!found.isMove && picker.isBehind && picker.pendingBytes > 0)
  }

  /// Reads and writes must not wait for the end of a long compaction below.
  @Test func mergesLevelZeroInItselfWhileTheBaseLevelIsBusy() throws {
    let maker = try TableMaker()
    let flushes = try Self.flushes(4, maker)
    let below = try maker.table(10...12)
    let picker = try Self.picker([0: flushes, 6: [below]])
    below.isCompacting = true
    let found = try #require(picker.pick())
    #expect(found.reason == .levelZeroMerge && found.outputLevel == 0 && found.lower.isEmpty)
    #expect(Self.numbers(found.upper) == Self.numbers(flushes))
    // The older ones are busy: neighbours in time only, and too few are left.
    flushes[2].isCompacting = true
    #expect(Self.isIdle(picker) && picker.isBehind)
  }

  @Test func takesOfALevelThatIsTooLargeTheTableWithTheLeastOverlap() throws {
    let maker = try TableMaker()
    // The last level is 200 kB, so the one above should have 20 kB.
    let last = try (0..<10).map {
      try maker.table(UInt8($0 * 10)...UInt8($0 * 10 + 9), valueBytes: 2000)
    }
    let wide = try maker.table(0...29, sequence: 500, valueBytes: 500)
    let narrow = try maker.table(30...34, sequence: 600, valueBytes: 3000)
    let picker = try Self.picker([5: [wide, narrow], 6: last])
    let found = try #require(picker.pick())
    #expect(found.reason == .levelSize && found.level == 5 && found.outputLevel == 6)
    #expect(Self.numbers(found.upper) == Self.numbers([narrow]))
    #expect(Self.numbers(found.lower) == Self.numbers([last[3]]))
    narrow.isCompacting = true
    #expect(picker.pick().map { Self.numbers($0.upper) } == Self.numbers([wide]))
    wide.isCompacting = true
    #expect(Self.isIdle(picker) && picker.isBehind)
  }

  @Test func movesATableThatNothingIsInTheWayOf() throws {
    let maker = try TableMaker()
    let last = try (0..<10).map {
      try maker.table(UInt8($0 * 10)...UInt8($0 * 10 + 9), valueBytes: 2000)
    }
    let free = try maker.table(200...229, sequence: 500, valueBytes: 1000)
    let found = try #require(try Self.picker([5: [free], 6: last]).pick())
    #expect(found.reason == .levelSize && found.lower.isEmpty && found.isMove)
  }

  @Test func pushesRangeTombstonesDown() throws {
    let maker = try TableMaker()
    let deleting = try maker.table(1...2, sequence: 500, deleting: 1...9)
    // So large that the level above may hold tables.
    let below = try maker.table(1...9, valueBytes: 10_000)
    let found = try #require(try Self.picker([5: [deleting], 6: [below]]).pick())
    #expect(found.reason == .tombstones && found.level == 5 && found.outputLevel == 6)
    #expect(Self.numbers(found.lower) == Self.numbers([below]) && !found.isMove)
  }

  @Test func rewritesTombstonesInPlaceOnceEveryReaderSeesThem() throws {
    let maker = try TableMaker()
    let file = try maker.table(1...2, sequence: 500, deleting: 1...9)
    let found = try #require(try Self.picker([6: [file]]).pick())
    #expect(found.reason == .reclaimable && found.level == 6 && found.outputLevel == 6)
    let snapshot = SequenceNumber(rawValue: file.metadata.largestSequence.rawValue - 1)
    let held = try Self.picker([6: [file]], oldestSnapshot: snapshot)
    #expect(Self.isIdle(held))
    #expect(held.waitsForSnapshot)
    // Nothing of this one is held back, and nothing waits without a snapshot.
    let plain = try maker.table(10...12, sequence: 600)
    #expect(try !Self.picker([6: [plain]], oldestSnapshot: snapshot).waitsForSnapshot)
    #expect(try !Self.picker([6: [file]]).waitsForSnapshot)
  }

  /// One range tombstone must not have much rewritten.
  @Test func leavesARangeTombstoneOverMuchLargerTables() throws {
    let maker = try TableMaker()
    let deleting = try maker.table(1...1, sequence: 500, deleting: 1...2)
    let below = try maker.table(1...9, valueBytes: 20_000)
    #expect(Self.isIdle(try Self.picker([5: [deleting], 6: [below]])))
  }
}
