import Engine
import TestSupport
import Testing

/// The memory tier may decline to answer; it may never be wrong.
@Suite("RocksDB memory-tier reads")
struct RocksDBReadTierTests {
  /// 4000 records in tables, none of them in the cache.
  private static func makeColdFixture() throws -> EngineFixture {
    let fixture = try EngineFixture(.rocksdb)
    try putRecords(fixture.engine)
    try fixture.engine.flush()
    try fixture.reopen()
    return fixture
  }

  private static func putRecords(_ engine: any StorageEngine) throws {
    let batch = WriteBatch()
    for index in 0..<4000 {
      batch.put(key(index), [UInt8](repeating: UInt8(index & 0xff), count: 100))
    }
    try engine.apply(batch, durability: .buffered)
  }

  private static func key(_ index: Int) -> [UInt8] { Array("key-\(10_000 + index)".utf8) }

  @Test func getWouldBlockUntilTheBlockIsInMemory() throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    for index in stride(from: 0, to: 4000, by: 500) {
      #expect(try engine.read(Self.key(index), tier: .memory) == (.wouldBlock, nil))
      let value = [UInt8](repeating: UInt8(index & 0xff), count: 100)
      #expect(try engine.read(Self.key(index), tier: .any) == (.found, value))
      #expect(try engine.read(Self.key(index), tier: .memory) == (.found, value))
    }
  }

  /// The system has just written the tables, so that it has them in memory until it is told to forget them.
  @Test(.enabled(if: PageCache.canForget))
  func pageCacheTierReadsOnlyWhatTheSystemHasInMemory() throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    var engine = fixture.engine
    let value = [UInt8](repeating: 7, count: 100)
    #expect(try engine.read(Self.key(7), tier: .memory) == (.wouldBlock, nil))
    #expect(try engine.read(Self.key(7), tier: .pageCache) == (.found, value))
    // It stays in the block cache.
    #expect(try engine.read(Self.key(7), tier: .memory) == (.found, value))
    let expected = try engine.records()
    try fixture.reopen()
    engine = fixture.engine
    #expect(try engine.scanned(tier: .pageCache) == (.complete, expected))
    let reversed = try engine.scanned(.all, .descending, tier: .memory)
    #expect(reversed == (.complete, expected.reversed()))

    try fixture.reopen()
    engine = fixture.engine
    let tables = try TestFile.names(in: fixture.path, suffix: ".sst")
    // A fast disk may have a block there before the read looks for it: then it is answered.
    var declined = 0
    for index in stride(from: 7, to: 4000, by: 200) {
      try PageCache.forget(tables)
      let answer = try engine.read(Self.key(index), tier: .pageCache)
      if answer == (.wouldBlock, nil) {
        declined += 1
      } else {
        #expect(answer == (.found, [UInt8](repeating: UInt8(index & 0xff), count: 100)))
      }
    }
    #expect(declined > 0)
    try PageCache.forget(tables)
    let scanned = try engine.scanned(tier: .pageCache)
    #expect(scanned.outcome == .wouldBlock || scanned == (.complete, expected))
    // The thread waits again afterwards.
    #expect(try engine.read(Self.key(7), tier: .any) == (.found, value))
    #expect(try engine.records() == expected)
  }

  @Test func pageCacheTierReadsThroughASnapshot() throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let snapshot = try engine.snapshot()
    try engine.put(Record(Self.key(9), [1]))
    let before = [UInt8](repeating: 9, count: 100)
    #expect(
      try engine.read(Self.key(9), tier: .pageCache, snapshot: snapshot) == (.found, before))
    #expect(try engine.read(Self.key(9), tier: .pageCache) == (.found, [1]))
  }

  /// To copy them takes long, and others wait for the thread.
  @Test func pageCacheTierLeavesLargeBlocksToThreadsThatMayBlock() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    var random = SeededGenerator(seed: 3)
    let large = (0..<(80 << 10)).map { _ in UInt8.random(in: 0...255, using: &random) }
    let small = (0..<(40 << 10)).map { _ in UInt8.random(in: 0...255, using: &random) }
    try fixture.engine.put(Record([1], small), Record([2], large))
    try fixture.engine.flush()
    try fixture.reopen()
    let engine = fixture.engine
    #expect(try engine.read([1], tier: .pageCache) == (.found, small))
    #expect(try engine.read([2], tier: .pageCache) == (.wouldBlock, nil))
    #expect(try engine.read([2], tier: .any) == (.found, large))
  }

  @Test func getNeverSaysAbsentOfWhatIsThere() throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    for index in 0..<4000 {
      #expect(try fixture.engine.read(Self.key(index), tier: .memory).outcome != .absent)
    }
  }

  @Test func getFindsWhatIsInTheMemtable() throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    try fixture.engine.put(Record("new", "1"))
    #expect(try fixture.engine.read(Array("new".utf8), tier: .memory).outcome == .found)
  }

  @Test(arguments: ScanDirection.allCases)
  func scanWouldBlockUntilItsBlocksAreInMemory(direction: ScanDirection) throws {
    let fixture = try Self.makeColdFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let expected = try engine.records(.all, direction)
    #expect(expected.count == 4000)
    #expect(try engine.scanned(.all, direction, tier: .memory) == (.complete, expected))

    try fixture.reopen()
    let cold = try fixture.engine.scanned(.all, direction, tier: .memory)
    #expect(cold.outcome == .wouldBlock)
    #expect(expected.starts(with: cold.records))
  }

  /// Here RocksDB's own iterator jumps over the range delete, forgets that it could not read what lies
  /// before it, and says "complete".
  @Test func scanOverARangeDeleteIsNeverShort() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    // The oldest table: a key inside the range delete, and one to bring its block into memory by.
    try fixture.engine.put(Record(Self.key(2000) + [0], [1]), Record("z", "1"))
    try fixture.engine.flush()
    try Self.putRecords(fixture.engine)
    try fixture.engine.flush()
    let batch = WriteBatch()
    batch.deleteRange(Self.key(1000), Self.key(3000))
    try fixture.engine.apply(batch, durability: .buffered)
    try fixture.engine.flush()
    let expected = try fixture.engine.records()
    #expect(expected.count == 2001)

    try fixture.reopen()
    let engine = fixture.engine
    _ = try engine.records(.from(Self.key(3000)))
    let cold = try engine.scanned(tier: .memory)
    #expect(cold.outcome == .wouldBlock)
    #expect(expected.starts(with: cold.records))
    #expect(try engine.records() == expected)
    #expect(try engine.records(.all, .descending) == expected.reversed())
  }

  /// Each hidden record costs a point read; the caller's thread has other work.
  @Test func scanGivesUpInALongRunOfHiddenRecords() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    let engine = fixture.engine
    try Self.putRecords(engine)
    let batch = WriteBatch()
    batch.deleteRange(Self.key(100), Self.key(200))
    batch.deleteRange(Self.key(1000), Self.key(3000))
    try engine.apply(batch, durability: .buffered)
    let quick = try engine.scanned(tier: .memory)
    #expect(quick.outcome == .wouldBlock)
    #expect(quick.records.count == 900)
    #expect(try engine.records().count == 1900)
    #expect(try engine.scanned(.from(Self.key(3000)), tier: .memory).outcome == .complete)
  }
}
