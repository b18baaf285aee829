import CRocksDB
import Engine
import EngineRocksDB
import Foundation
import TestSupport
import Testing

/// Logs of a RocksDB store that are missing or cut, where RocksDB itself notices nothing.
@Suite("RocksDB: gaps between logs")
struct RocksDBLogGapTests {
  /// A store that a process left behind with several logs that no table has taken over.
  ///
  /// RocksDB writes no table here before ten memtables are full, so that the logs stay.
  private static func makeStore(_ directory: TemporaryDirectory, startsWithTable: Bool) throws
    -> (path: String, records: [Record])
  {
    let path = directory.path("live")
    var records: [Record] = []
    if startsWithTable {
      let engine = try EngineDescriptor.rocksDB.open(path, options: .small)
      records = (0..<100).map { Record("a-\(1000 + $0)", "in a table") }
      for record in records { try engine.put(record) }
      try engine.flush()
      try engine.close()
    }
    let options = rocksdb_options_create()
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_options_set_write_buffer_size(options, 64 << 10)
    rocksdb_options_set_max_write_buffer_number(options, 12)
    rocksdb_options_set_min_write_buffer_number_to_merge(options, 10)
    var message: UnsafeMutablePointer<CChar>?
    let database = rocksdb_open(options, path, &message)
    #expect(message == nil)
    let writing = rocksdb_writeoptions_create()
    for index in 0..<300 {
      let record = Record("b-\(1000 + index)", String(repeating: "v", count: 900))
      records.append(record)
      record.key.withUnsafeBytes { key in
        record.value.withUnsafeBytes { value in
          rocksdb_put(
            database, writing, key.baseAddress, key.count, value.baseAddress, value.count, &message)
        }
      }
      #expect(message == nil)
    }
    // What a kill would leave: the files as they are.
    let copy = directory.path("killed")
    try TestFile.copyDirectory(path, to: copy)
    rocksdb_close(database)
    rocksdb_writeoptions_destroy(writing)
    rocksdb_options_destroy(options)
    return (copy, records)
  }

  @Test(arguments: [false, true], ["removed", "emptied", "cut in half", "zeroed in the middle"])
  func refusesALogThatIsNotWhole(startsWithTable: Bool, how: String) throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let (path, records) = try Self.makeStore(directory, startsWithTable: startsWithTable)
    let logs = try TestFile.names(in: path, suffix: ".log")
      .filter { try !TestFile.read($0).isEmpty }
    try #require(logs.count >= 4)
    for log in logs.dropLast() {
      let damaged = directory.path("damaged")
      try TestFile.copyDirectory(path, to: damaged)
      let name = damaged + "/" + (log as NSString).lastPathComponent
      var bytes = try TestFile.read(name)
      switch how {
      case "removed": try TestFile.remove(name)
      case "emptied": try TestFile.write([], to: name)
      case "cut in half": try TestFile.write(Array(bytes[..<(bytes.count / 2)]), to: name)
      default:
        // A whole block, or a page of a small log.
        let start = min(32 << 10, bytes.count / 2)
        bytes.replaceSubrange(start..., with: repeatElement(0, count: bytes.count - start))
        try TestFile.write(bytes, to: name)
      }
      for isReadOnly in [true, false] {
        var options = EngineOptions.small
        options.isReadOnly = isReadOnly
        let error = #expect(throws: EngineError.self) {
          try EngineDescriptor.rocksDB.open(damaged, options: options)
        }
        #expect(error?.isCorruption == true, "\(String(describing: error))")
        #expect("\(error as Any)".contains("a log between them is missing or cut"))
      }
      try TestFile.remove(damaged)
    }
    let engine = try EngineDescriptor.rocksDB.open(path, options: .small)
    #expect(try engine.records() == records)
    try engine.close()
  }

  @Test func refusesALogThatIsMissingAfterTheTables() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let (path, _) = try Self.makeStore(directory, startsWithTable: true)
    let log = try #require(
      try TestFile.names(in: path, suffix: ".log").first { try !TestFile.read($0).isEmpty })
    try TestFile.remove(log)
    let gap = try #require(try RocksDBLogGap.find(in: path))
    #expect(gap.previousLog == nil && gap.last == 100)
    #expect("\(gap)".hasPrefix("the tables end with change 100, and "))
  }

  /// A manifest that is full is begun anew with the state of then, at any edit: here after nearly each one.
  @Test func findsNoneAfterAManifestWasBegunAnew() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("live")
    let options = rocksdb_options_create()
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_options_set_write_buffer_size(options, 64 << 10)
    rocksdb_options_set_level0_file_num_compaction_trigger(options, 2)
    rocksdb_options_set_max_manifest_file_size(options, 300)
    var message: UnsafeMutablePointer<CChar>?
    let database = rocksdb_open(options, path, &message)
    #expect(message == nil)
    let writing = rocksdb_writeoptions_create()
    let flushing = rocksdb_flushoptions_create()
    var manifests: Set<[String]> = []
    for index in 0..<60 {
      for part in 0..<3 {
        let key = Array("key-\(index % 7)-\(part)".utf8)
        rocksdb_put(database, writing, key, key.count, key, key.count, &message)
      }
      // The last change before a compaction, which has no log in its edit, and changes after it.
      if index % 3 > 0 { rocksdb_flush(database, flushing, &message) }
      if index % 5 == 0 { rocksdb_compact_range(database, nil, 0, nil, 0) }
      let key = Array("after-\(index)".utf8)
      rocksdb_put(database, writing, key, key.count, key, key.count, &message)
      #expect(message == nil)
      let before = try TestFile.names(in: path, suffix: "")
      let copy = directory.path("killed")
      defer { try? TestFile.remove(copy) }
      guard (try? TestFile.copyDirectory(path, to: copy)) != nil,
        try TestFile.names(in: path, suffix: "") == before
      else { continue }
      manifests.insert(before.filter { $0.contains("MANIFEST") })
      #expect(try RocksDBLogGap.find(in: copy) == nil, "after change \(index)")
    }
    #expect(manifests.count > 5)
    rocksdb_close(database)
    rocksdb_flushoptions_destroy(flushing)
    rocksdb_writeoptions_destroy(writing)
    rocksdb_options_destroy(options)
  }

  /// RocksDB checks the checksums of what it reads, and this reads before it does.
  @Test(arguments: [UInt64.random(in: 0...UInt64.max)])
  func readsAnyBytesWithoutATrap(seed: UInt64) throws {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let (path, _) = try Self.makeStore(directory, startsWithTable: true)
    let files = try ["", ".log"].flatMap { try TestFile.names(in: path, suffix: $0) }
      .filter { $0.contains("MANIFEST") || $0.hasSuffix(".log") }
    var verdicts = [false: 0, true: 0]
    for _ in 0..<600 {
      let file = try #require(files.randomElement(using: &random))
      let intact = try TestFile.read(file)
      guard !intact.isEmpty else { continue }
      var bytes = intact
      // The bytes that make the largest varints and lengths, and any others, at a few places.
      let start = Int.random(in: 0..<bytes.count, using: &random)
      for offset in start..<min(start + Int.random(in: 1...12, using: &random), bytes.count) {
        bytes[offset] = Bool.random(using: &random) ? 0xff : .random(in: 0...255, using: &random)
      }
      if Int.random(in: 0..<8, using: &random) == 0 { bytes.removeLast(bytes.count - start) }
      try TestFile.write(bytes, to: file)
      do {
        verdicts[try RocksDBLogGap.find(in: path) == nil, default: 0] += 1
      } catch {
        // Told as not known, which is no verdict.
      }
      try TestFile.write(intact, to: file)
    }
    #expect(verdicts[true, default: 0] > 0 && verdicts[false, default: 0] > 0)
    #expect(try RocksDBLogGap.find(in: path) == nil)
  }

  /// The largest number that a varint can hold, in place of a change's.
  @Test func countsOnNoNumberOfAManifest() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let (path, _) = try Self.makeStore(directory, startsWithTable: false)
    // One whole record: last change (tag 4), and the first log (tag 2).
    let edit: [UInt8] = [4] + [UInt8](repeating: 0xff, count: 9) + [1, 2, 0]
    let record: [UInt8] = [0, 0, 0, 0, UInt8(edit.count), 0, 1] + edit
    for manifest in try TestFile.names(in: path, suffix: "").filter({ $0.contains("MANIFEST") }) {
      try TestFile.write(record, to: manifest)
    }
    #expect(throws: UnknownRecord.self) { try RocksDBLogGap.find(in: path) }
  }

  /// The point-in-time recovery is the operator's own word.
  @Test func opensAcrossAGapWhenAskedTo() throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let (path, _) = try Self.makeStore(directory, startsWithTable: false)
    let logs = try TestFile.names(in: path, suffix: ".log")
    try TestFile.remove(logs[1])
    var options = EngineOptions.small
    options.logRecovery = .pointInTime
    let engine = try EngineDescriptor.rocksDB.open(path, options: options)
    try engine.close()
  }

  /// Whatever an honest store goes through, at each moment its files tell of no gap and are understood.
  @Test(arguments: [UInt64.random(in: 0...UInt64.max)])
  func findsNoneInAnHonestStore(seed: UInt64) throws {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let fixture = try EngineFixture(.rocksdb)
    defer { fixture.remove() }
    var looks = 0
    for _ in 0..<120 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0: try fixture.engine.flush()
      case 1: try fixture.engine.compact(nil)
      case 2: try fixture.reopen()
      case 3:
        let start = Int.random(in: 0..<500, using: &random)
        try fixture.engine.deleteRange("key-\(1000 + start)", "key-\(1000 + start + 50)")
      case 4: try fixture.engine.apply(WriteBatch(), durability: .sync)
      default:
        let batch = WriteBatch()
        for _ in 0..<Int.random(in: 1...40, using: &random) {
          let key = Array("key-\(1000 + Int.random(in: 0..<500, using: &random))".utf8)
          if Bool.random(using: &random) {
            batch.put(key, [UInt8](repeating: 7, count: Int.random(in: 0..<4000, using: &random)))
          } else {
            batch.delete(key)
          }
        }
        try fixture.engine.apply(batch, durability: Bool.random(using: &random) ? .sync : .buffered)
      }
      // What a kill would leave now. A copy that a flush overtook is no such state.
      let names = try TestFile.names(in: fixture.path, suffix: "")
      let copy = fixture.directory.path("killed")
      defer { try? TestFile.remove(copy) }
      guard (try? TestFile.copyDirectory(fixture.path, to: copy)) != nil else { continue }
      guard try TestFile.names(in: fixture.path, suffix: "") == names else { continue }
      #expect(try RocksDBLogGap.find(in: copy) == nil)
      looks += 1
    }
    #expect(looks > 40)
  }
}
