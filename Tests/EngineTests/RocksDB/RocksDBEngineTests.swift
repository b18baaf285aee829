import Engine
import EngineRocksDB
import Foundation
import Testing

@Suite("RocksDB engine")
struct RocksDBEngineTests {
  @Test func directoryBelongsToOneEngine() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    #expect(throws: EngineError.lockHeld(directory: fixture.path)) {
      _ = try fixture.open(fixture.path)
    }
    try fixture.engine.put(Record("a", "1"))
    try fixture.reopen()
    #expect(try fixture.engine.value("a") == "1")
  }

  @Test func readsADirectoryThatAnotherEngineHasOpen() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    for index in 0..<10 { try fixture.engine.put(Record("k\(index)", "v")) }
    try fixture.engine.deleteRange("k3", "k7")
    let expected = try fixture.engine.records()

    var options = fixture.options
    options.isReadOnly = true
    let reader = try EngineDescriptor.rocksDB.open(fixture.path, options: options)
    #expect(try reader.records() == expected)
    #expect(try reader.value("k4") == nil)
    let error = #expect(throws: EngineError.self) { try reader.put(Record("x", "1")) }
    guard case .readOnly = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try reader.close()
    try fixture.engine.put(Record("x", "1"))
  }

  @Test func createsNothingWhenToldSo() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    var options = EngineOptions.small
    options.createIfMissing = false
    #expect(throws: EngineError.self) {
      _ = try EngineDescriptor.rocksDB.open(directory.path("none"), options: options)
    }
    options.createIfMissing = true
    #expect(throws: EngineError.self) {
      _ = try EngineDescriptor.rocksDB.open(directory.path("no/parent"), options: options)
    }
    #expect(throws: EngineError.self) {
      _ = try EngineDescriptor.rocksDB.open(directory.path("nul\0byte"), options: options)
    }
  }

  @Test func runsWithTheSettingsOfRocksDBWhenToldSo() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    var options = EngineOptions.small
    let engine = try EngineDescriptor.rocksDB(.defaults).open(
      directory.path("store"), options: options)
    try engine.put(Record("a", "1"))
    try engine.flush()
    #expect(try engine.value("a") == "1")
    // A cache of 8 MiB, whatever the options say.
    #expect(try engine.statistics().cacheCapacityBytes == 8 << 20)
    try engine.close()
    options.cacheSizeBytes = 5 << 20
    let production = try EngineDescriptor.rocksDB.open(directory.path("store"), options: options)
    #expect(try production.value("a") == "1")
    #expect(try production.statistics().cacheCapacityBytes == 5 << 20)
    try production.close()
  }

  /// By what RocksDB itself writes down of them.
  @Test(arguments: [TableCompression.lz4, .zstd])
  func compressesAsItIsTold(compression: TableCompression) throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    var options = EngineOptions.small
    options.compression = compression
    for descriptor in [EngineDescriptor.rocksDB, .rocksDB(.likeLSM)] {
      let store = directory.path(descriptor == .rocksDB ? "store" : "like")
      try descriptor.open(store, options: options).close()
      let files = try FileManager.default.contentsOfDirectory(atPath: store)
      let name = try #require(files.filter { $0.hasPrefix("OPTIONS-") }.max())
      let written = try String(contentsOfFile: "\(store)/\(name)", encoding: .utf8)
      let lower = compression == .zstd ? "kZSTD" : "kLZ4Compression"
      let codecs = (["kLZ4Compression", "kLZ4Compression"] + Array(repeating: lower, count: 5))
        .joined(separator: ":")
      #expect(written.contains("  compression_per_level=\(codecs)\n"))
      #expect(written.contains("  bottommost_compression=\(lower)\n"))
    }
  }

  @Test func snapshotMayOutliveTheEngine() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    try fixture.engine.put(Record("a", "1"))
    var snapshots = [try fixture.engine.snapshot(), try fixture.engine.snapshot()]
    #expect(try fixture.engine.statistics().snapshotCount == 2)
    snapshots.removeFirst()
    #expect(try fixture.engine.statistics().snapshotCount == 1)
    try fixture.reopen()
    #expect(throws: EngineError.foreignSnapshot) {
      _ = try fixture.engine.value("a", snapshot: snapshots[0])
    }
    snapshots.removeAll()
    #expect(try fixture.engine.value("a") == "1")
  }

  @Test func reportsTablesLogAndCache() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    let engine = fixture.engine
    for index in 0..<100 { try engine.put(Record("k\(index)", String(repeating: "v", count: 100))) }
    #expect(try engine.statistics().logBytes > 100 * 100)
    #expect(try engine.statistics().levels.isEmpty)
    try engine.flush()
    let statistics = try engine.statistics()
    #expect(statistics.levels.first?.fileCount == 1)
    #expect(statistics.tableBytes > 0)
    #expect(statistics.levels.reduce(0) { $0 + $1.bytes } == statistics.tableBytes)
    #expect(statistics.cacheCapacityBytes == 8 << 20)
    #expect(statistics.backgroundErrors == 0)
  }

  /// RocksDB's own tool reads what this engine writes.
  @Test(.enabled(if: ldb != nil, "ldb is not installed"))
  func ldbReadsTheDirectory() throws {
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    try fixture.engine.put(Record([0, 1], [2]), Record([3, 0xff], [4, 5]))
    try fixture.engine.flush()
    try fixture.engine.deleteRange("x", "y")
    try fixture.engine.put(Record([6], [7]))
    try fixture.engine.close()

    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.ldb))
    process.arguments = ["--db=\(fixture.path)", "--hex", "scan"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(text.split(separator: "\n") == ["0x0001 : 0x02", "0x03FF : 0x0405", "0x06 : 0x07"])
  }

  private static let ldb = ["/usr/bin/ldb", "/usr/local/bin/ldb"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }
}
