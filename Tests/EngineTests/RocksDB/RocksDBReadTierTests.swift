import Engine
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
