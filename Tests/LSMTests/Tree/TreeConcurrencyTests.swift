import Foundation
import Glibc
import LSM
import LSMTestSupport
import Synchronization
import TestSupport
import Testing

/// What the tasks of a test tell each other.
private final class Progress: Sendable {
  let isDone = Atomic<Bool>(false)
}

/// Readers, a writer, snapshots, flushes and compactions at once, on real files. Under ThreadSanitizer it
/// shows races; without, that no read sees a part of a batch, an older state than before, or a deleted record.
@Suite("Tree under concurrency") struct TreeConcurrencyTests {
  private static let keyCount = 64

  private static func key(_ number: Int) -> [UInt8] {
    Array("key-\(String(repeating: "0", count: 4 - String(number).count))\(number)".utf8)
  }

  /// All keys of a batch carry its number; every eighth batch deletes all with a range first.
  private static func batch(_ number: Int) -> [Change] {
    let text = String(number)
    let value = Array((text + String(repeating: ".", count: 60)).utf8)
    let puts = (0..<keyCount).map { Change.put(key($0), value) }
    return number % 8 == 0 ? [.deleteRange(key(0), key(keyCount))] + puts : puts
  }

  private static func number(_ value: [UInt8]) -> Int? {
    Int(String(decoding: value.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self))
  }

  private static func makeOptions() -> TreeOptions {
    var options = TreeOptions.tiny
    options.backgroundThreads = 2
    options.memtableSizeBytes = 40 << 10
    options.tableBytes = 8 << 10
    options.baseLevelBytes = 16 << 10
    options.cacheSizeBytes = 64 << 10
    options.storeID = nil
    return options
  }

  @Test func readsWholeBatchesOnlyAndNeverOlderOnes() async throws {
    let directory = NSTemporaryDirectory() + "lsm-tests-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let tree = try LSMTree.open(
      POSIXFileSystem(), directory: directory, options: Self.makeOptions())
    try tree.apply(Self.batch(1))
    let progress = Progress()
    let last = 1200
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        defer { progress.isDone.store(true, ordering: .releasing) }
        for number in 2...last { try tree.apply(Self.batch(number), sync: number % 200 == 0) }
      }
      for reader in 0..<3 {
        group.addTask {
          var newest = 0
          while !progress.isDone.load(ordering: .acquiring) {
            newest = try Self.read(tree, reader, atLeast: newest)
          }
        }
      }
      group.addTask {
        while !progress.isDone.load(ordering: .acquiring) {
          try tree.compact()
          let snapshot = tree.snapshot()
          let before = try tree.records(snapshot: snapshot).records
          try tree.flush()
          #expect(try tree.records(snapshot: snapshot).records == before)
          _ = try tree.statistics()
        }
      }
      try await group.waitForAll()
    }
    let records = try tree.records().records
    #expect(records.count == Self.keyCount)
    #expect(records.allSatisfy { Self.number($0.value) == last })
    #expect(tree.failure == nil)
    let statistics = try tree.statistics()
    #expect(statistics.totals.flushCount > 0 && statistics.totals.compactionCount > 0)
    try tree.close()
    let reopened = try LSMTree.open(
      POSIXFileSystem(), directory: directory, options: Self.makeOptions())
    #expect(try reopened.records().records == records)
    try reopened.close()
  }

  private static func read(_ tree: LSMTree, _ reader: Int, atLeast newest: Int) throws -> Int {
    if reader == 0 {
      let value = try tree.value(key(7)).value
      let found = try #require(value.flatMap { number($0) })
      #expect(found >= newest)
      return found
    }
    let outcome = try tree.records(descending: reader == 2)
    #expect(outcome.records.count == keyCount)
    let numbers = Set(outcome.records.compactMap { number($0.value) })
    #expect(numbers.count == 1, "a scan saw parts of batches \(numbers.sorted())")
    let found = numbers.max() ?? 0
    #expect(found >= newest)
    return found
  }

  /// Files that a long scan still reads stay; once it is over they go.
  @Test func removesFilesOnlyWhenNoReaderIsLeft() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try LSMTree.open(
      fileSystem, directory: TreeRun.directory, options: .tiny)
    for number in 0..<20 { try tree.apply([.put(Self.key(number), [1])]) }
    try tree.flush()
    let tables = fileSystem.names(in: TreeRun.directory).filter { $0.hasSuffix(".table") }
    var visited = 0
    let bytes: [UInt8] = []
    try bytes.withUnsafeBytes { lower in
      _ = try tree.scan(
        from: lower, upTo: nil, descending: false, limit: .max, snapshot: nil, tier: .any
      ) { _, _ in
        visited += 1
        if visited == 1 {
          #expect(throws: Never.self) {
            for number in 0..<20 { try tree.apply([.put(Self.key(number), [2])]) }
            try tree.compact()
          }
          let names = Set(fileSystem.names(in: TreeRun.directory))
          #expect(names.isSuperset(of: tables))
        }
        return true
      }
    }
    #expect(visited == 20)
    try tree.compact()
    let names = Set(fileSystem.names(in: TreeRun.directory))
    #expect(names.isDisjoint(with: tables))
    try tree.close()
  }

  /// A scan ends long after the last write: its files go without a further one.
  @Test func anIdleStoreGivesSpaceBackAfterAScan() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.backgroundThreads = 2
    let tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
    for number in 0..<200 {
      try tree.apply([.put(Self.key(number), [UInt8](repeating: 1, count: 50))])
    }
    try tree.flush()
    var isFirst = true
    try [UInt8]().withUnsafeBytes { lower in
      _ = try tree.scan(
        from: lower, upTo: nil, descending: false, limit: .max, snapshot: nil, tier: .any
      ) { _, _ in
        if isFirst {
          isFirst = false
          #expect(throws: Never.self) {
            for number in 0..<200 {
              try tree.apply([.put(Self.key(number), [UInt8](repeating: 2, count: 50))])
            }
            try tree.compact()
          }
        }
        return true
      }
    }
    // Without the wake-up this never ends.
    while true {
      let statistics = try tree.statistics()
      let live = statistics.levels.reduce(0) { $0 + $1.fileCount }
      let there = fileSystem.names(in: TreeRun.directory).count { $0.hasSuffix(".table") }
      if live == there { break }
      sched_yield()
    }
    try tree.close()
  }

  /// A manual compaction is done with what was there when it was called.
  @Test func aCompactionEndsBesideAWriterThatNeverStops() async throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.backgroundThreads = 2
    let tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
    let progress = Progress()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        var random = SeededGenerator(seed: 1)
        while !progress.isDone.load(ordering: .acquiring) {
          try tree.apply([.put(Self.key(random.below(5000)), random.bytes(200))])
        }
      }
      group.addTask {
        defer { progress.isDone.store(true, ordering: .releasing) }
        for _ in 0..<3 { try tree.compact() }
      }
      try await group.waitForAll()
    }
    try tree.close()
  }
}
