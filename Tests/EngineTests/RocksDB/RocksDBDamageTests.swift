import Engine
import EngineRocksDB
import TestSupport
import Testing

/// Damaged files: the same answer as before or an error, never another answer.
@Suite("RocksDB damage")
struct RocksDBDamageTests {
  private static let recordCount = 1500

  /// A closed store of one table, or of three with a range delete in the newest.
  private static func makeStore(
    withRangeDelete: Bool
  ) throws -> (fixture: EngineFixture, records: [Record]) {
    let fixture = try EngineFixture(.rocksdb)
    if withRangeDelete {
      // An older table with a key inside the range delete: there RocksDB's own iterator jumps, and forgets
      // the damage it has met before.
      try fixture.engine.put(Record("key-10550x", "covered"), Record("key-9", "older"))
      try fixture.engine.flush()
    }
    let batch = WriteBatch()
    var random = SeededGenerator(seed: 7)
    for index in 0..<recordCount {
      batch.put(
        Array("key-\(10_000 + index)".utf8),
        (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    try fixture.engine.apply(batch, durability: .buffered)
    try fixture.engine.flush()
    if withRangeDelete {
      try fixture.engine.deleteRange("key-10500", "key-10600")
      try fixture.engine.flush()
    }
    let records = try fixture.engine.records()
    try fixture.engine.close()
    return (fixture, records)
  }

  @Test(arguments: [false, true])
  func tableDamageIsAnErrorAndNeverAnotherAnswer(withRangeDelete: Bool) throws {
    let (fixture, expected) = try Self.makeStore(withRangeDelete: withRangeDelete)
    defer { fixture.remove() }
    var corruptions = 0
    for path in try TestFile.names(in: fixture.path, suffix: ".sst") {
      let intact = try TestFile.read(path)
      for offset in stride(from: 11, to: intact.count, by: max(intact.count / 25, 1)) {
        var damaged = intact
        damaged[offset] ^= 0x40
        try TestFile.write(damaged, to: path)
        if try !answersAreRight(fixture, expected) { corruptions += 1 }
      }
      try TestFile.write(intact, to: path)
    }
    #expect(corruptions > 15)
    let engine = try fixture.open(fixture.path)
    #expect(try engine.records() == expected)
    try engine.close()
  }

  /// Whether every read was answered; a read that was answered is compared.
  private func answersAreRight(_ fixture: EngineFixture, _ expected: [Record]) throws -> Bool {
    var isWhole = true
    do {
      // For reading only: an engine that writes would compact the damage away or fail in the background.
      var options = fixture.options
      options.isReadOnly = true
      let engine = try EngineDescriptor.rocksDB.open(fixture.path, options: options)
      defer { try? engine.close() }
      // First, while nothing is in the block cache.
      for record in expected {
        do {
          let (outcome, value) = try engine.read(record.key, tier: .pageCache)
          // As after an error: a thread that may wait decides.
          #expect(outcome == .wouldBlock || value == record.value, "\(outcome)")
        } catch let error as EngineError {
          #expect(error.isCorruption, "\(error)")
          #expect("\(error)".contains(".sst"), "\(error)")
          isWhole = false
        }
      }
      for direction in ScanDirection.allCases {
        do {
          let records = try engine.records(.all, direction)
          #expect(records == (direction == .ascending ? expected : expected.reversed()))
        } catch let error as EngineError {
          #expect(error.isCorruption, "\(error)")
          isWhole = false
        }
      }
      for record in expected {
        do {
          let value = try engine.value(forKey: record.key)
          #expect(value == record.value)
        } catch {
          #expect(error.isCorruption, "\(error)")
          isWhole = false
        }
      }
    } catch let error as EngineError {
      #expect(error.isCorruption, "\(error)")
      isWhole = false
    }
    return isWhole
  }

  /// A store whose 100 writes are in the log alone, closed without a flush.
  private static func makeLog() throws -> (fixture: EngineFixture, path: String) {
    let fixture = try EngineFixture(.rocksdb)
    for index in 0..<100 {
      try fixture.engine.put(Record("key-\(1000 + index)", String(repeating: "v", count: 300)))
    }
    try fixture.engine.close()
    let log = try #require(try TestFile.names(in: fixture.path, suffix: ".log").last)
    return (fixture, log)
  }

  @Test func tornLogTailLosesTheTornWriteAlone() throws {
    let (fixture, log) = try Self.makeLog()
    defer { fixture.remove() }
    let bytes = try TestFile.read(log)
    for cut in [1, 7, 100, 300] {
      try TestFile.write(bytes.dropLast(cut), to: log)
      let copy = fixture.directory.path("cut-\(cut)")
      try TestFile.copyDirectory(fixture.path, to: copy)
      let engine = try fixture.open(copy)
      #expect(try engine.keys(.all) == (0..<99).map { "key-\(1000 + $0)" })
      try engine.close()
    }
  }

  @Test func damageInsideTheLogFailsTheOpen() throws {
    let (fixture, log) = try Self.makeLog()
    defer { fixture.remove() }
    var bytes = try TestFile.read(log)
    bytes[bytes.count / 2] ^= 0x01
    try TestFile.write(bytes, to: log)
    let error = #expect(throws: EngineError.self) { _ = try fixture.open(fixture.path) }
    #expect(error?.isCorruption == true, "\(String(describing: error))")

    var options = fixture.options
    options.logRecovery = .pointInTime
    let engine = try EngineDescriptor.rocksDB.open(fixture.path, options: options)
    let keys = try engine.keys(.all)
    #expect(keys.count > 30 && keys.count < 60)
    #expect(keys == (0..<keys.count).map { "key-\(1000 + $0)" })
    try engine.close()
  }

  @Test func damagedManifestFailsTheOpen() throws {
    let (fixture, _) = try Self.makeStore(withRangeDelete: false)
    defer { fixture.remove() }
    let manifest = try #require(
      try TestFile.names(in: fixture.path, suffix: "").last { $0.contains("MANIFEST") })
    var bytes = try TestFile.read(manifest)
    bytes[bytes.count / 2] ^= 0x01
    try TestFile.write(bytes, to: manifest)
    #expect(throws: EngineError.self) { _ = try fixture.open(fixture.path) }
  }

  @Test func missingTableFailsTheOpen() throws {
    let (fixture, _) = try Self.makeStore(withRangeDelete: false)
    defer { fixture.remove() }
    let table = try #require(try TestFile.names(in: fixture.path, suffix: ".sst").first)
    try TestFile.remove(table)
    #expect(throws: EngineError.self) { _ = try fixture.open(fixture.path) }
  }
}
