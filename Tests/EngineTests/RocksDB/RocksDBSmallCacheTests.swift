import Engine
import Glibc
import Testing

/// A cache that is smaller than the filters and indexes of the tables.
@Suite("RocksDB with a small cache")
struct RocksDBSmallCacheTests {
  private static let recordCount = 500_000

  private static func key(_ index: Int) -> [UInt8] { Array("key-\(10_000_000 + index)".utf8) }

  /// One table of many small records behind a cache of 1 MiB, which RocksDB divides into two: 625 KB of filter do not
  /// fit into either.
  private static func makeFixture() throws -> EngineFixture {
    var options = EngineOptions()
    options.cacheSizeBytes = 1 << 20
    let fixture = try EngineFixture(.rocksdb, options: options)
    for start in stride(from: 0, to: recordCount, by: 10_000) {
      let batch = WriteBatch()
      for index in start..<start + 10_000 { batch.put(key(index), [UInt8(index & 0xff)]) }
      try fixture.engine.apply(batch, durability: .buffered)
    }
    try fixture.engine.flush()
    try fixture.engine.compact(nil)
    try fixture.reopen()
    return fixture
  }

  /// What this thread has asked of files so far, whether the disk had to be read or not.
  private static func readBytes() throws -> Int {
    let file = try #require(fopen("/proc/thread-self/io", "re"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        .split { $0 == " " || $0 == "\n" }
      if words.first == "rchar:", words.count == 2 { return try #require(Int(words[1])) }
    }
    return try #require(nil as Int?, "no rchar in /proc/thread-self/io")
  }

  @Test func getReadsAFewBlocksAndNotAWholeFilter() throws {
    let fixture = try Self.makeFixture()
    defer { fixture.remove() }
    let count = 500
    let before = try Self.readBytes()
    for step in 0..<count {
      // Scattered over all keys, each once.
      let index = step * 7919 * 31 % Self.recordCount
      let value = try fixture.engine.read(Self.key(index), tier: .any)
      #expect(value == (.found, [UInt8(index & 0xff)]))
    }
    // A filter partition, an index partition and a block, 4 KiB each before compression, and what surrounds them.
    let bytes = (try Self.readBytes() - before) / count
    #expect(bytes > 0 && bytes < 32 << 10, "\(bytes) bytes read from files for a get")
  }
}
