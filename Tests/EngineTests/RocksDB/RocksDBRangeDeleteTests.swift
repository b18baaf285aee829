import Engine
import Testing

@Suite("RocksDB range deletes")
struct RocksDBRangeDeleteTests {
  @Test func flushesTheMemtableAfterManyOfThem() throws {
    var options = EngineOptions.small
    options.rangeDeletesBeforeFlush = 10
    let fixture = try EngineFixture(.rocksdb, options: options)
    defer { fixture.remove() }
    let engine = fixture.engine
    try engine.put(Record("kept", "1"))
    for index in 0..<9 { try engine.deleteRange("a\(index)", "b") }
    #expect(try engine.statistics().levels.isEmpty)
    try engine.deleteRange("a9", "b")
    // The flush runs in the background.
    var attempts = 0
    while try engine.statistics().levels.isEmpty && attempts < 1_000_000 { attempts += 1 }
    #expect(try engine.statistics().levels.first?.fileCount == 1)
    try engine.put(Record("later", "1"))
    #expect(try engine.keys(.all) == ["kept", "later"])
  }

  @Test func compactionEndsTheSlowScans() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    for index in 0..<10 { try fixture.engine.put(Record("k\(index)", "v")) }
    #expect(try !fixture.engine.statistics().mayHoldRangeDeletes)
    try fixture.engine.flush()
    try fixture.engine.deleteRange("k3", "k7")
    #expect(try fixture.engine.statistics().mayHoldRangeDeletes)
    try fixture.engine.flush()
    try fixture.reopen()
    #expect(try fixture.engine.statistics().mayHoldRangeDeletes, "the table holds one")
    try fixture.engine.compact(nil)
    #expect(try !fixture.engine.statistics().mayHoldRangeDeletes)
    let expected = ["k0", "k1", "k2", "k7", "k8", "k9"]
    #expect(try fixture.engine.keys(.all) == expected)
    try fixture.reopen()
    #expect(try !fixture.engine.statistics().mayHoldRangeDeletes)
    #expect(try fixture.engine.keys(.all) == expected)
  }

  /// A snapshot keeps a range delete in the tables, so the engine must not forget it.
  @Test func snapshotKeepsThemKnown() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    let engine = fixture.engine
    for index in 0..<10 { try engine.put(Record("k\(index)", "v")) }
    let snapshot = try engine.snapshot()
    try engine.deleteRange("k3", "k7")
    try engine.compact(nil)
    #expect(try engine.statistics().mayHoldRangeDeletes)
    #expect(try engine.records(snapshot: snapshot).count == 10)
    #expect(try engine.keys(.all).count == 6)
  }
}
