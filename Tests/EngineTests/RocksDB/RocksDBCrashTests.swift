import Engine
import EngineRocksDB
import Foundation
import Testing

/// The process dies by kill -9 after its writes have returned.
@Suite("RocksDB after kill -9")
struct RocksDBCrashTests {
  @Test(arguments: ["sync", "buffered"])
  func losesNothing(durability: String) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("data")
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = path as String, durability = durability as String] in
      let engine = try EngineDescriptor.rocksDB.open(path, options: .small)
      for index in 0..<500 {
        try engine.put(
          Record("key-\(1000 + index)", String(repeating: "v", count: 1000)),
          durability: durability == "sync" && index % 50 == 49 ? .sync : .buffered)
      }
      try engine.deleteRange("key-1100", "key-1200")
      kill(getpid(), SIGKILL)
    }
    let engine = try EngineDescriptor.rocksDB.open(path, options: .small)
    let expected = (0..<500).map { "key-\(1000 + $0)" }.filter {
      $0 < "key-1100" || $0 >= "key-1200"
    }
    #expect(try engine.keys(.all) == expected)
    try engine.close()
  }
}
