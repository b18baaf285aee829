import Foundation
import LSM
import LSMTestSupport
import TestSupport
import Testing

/// What a batch may hold: everything that is taken can be flushed, compacted, recovered and repaired, and what
/// is beyond is refused and changes nothing.
@Suite("Tree limits") struct TreeLimitsTests {
  // MARK: - Every maximum, and one beyond

  private static let options: TreeOptions = {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 4 << 10
    options.limits.keyBytes = 300
    options.limits.entryBytes = 2000
    options.limits.batchBytes = 5000
    // 1 MiB of it is slack.
    options.limits.memtableBytes = 1 << 20 + 6240
    return options
  }()

  private static func bytes(_ count: Int, _ tag: UInt8) -> [UInt8] {
    // Not compressible, so that file sizes are what they look like.
    var random = SeededGenerator(seed: UInt64(tag))
    return random.bytes(count)
  }

  /// A name, a batch as large as may be, and the same with one more byte or change.
  private static let maxima: [(name: String, most: [Change], tooMuch: [Change])] = {
    // Of a put: tag, two lengths of two bytes each; the count before it.
    func put(_ batchBytes: Int) -> [Change] {
      [
        .put(bytes(200, 1), bytes(1500, 2)), .put(bytes(200, 3), bytes(1500, 4)),
        .put(bytes(200, 5), bytes(batchBytes - 4 - 2 * (5 + 1700) - 5 - 200, 6)),
      ]
    }
    // 88 bytes and the key of each are reckoned.
    func deletes(_ count: Int, more: Int) -> [Change] {
      (0..<count).map { number in
        .delete(bytes(16 + (number == 0 ? more : 0), UInt8(number)))
      }
    }
    return [
      ("key of a put", [.put(bytes(300, 1), [1])], [.put(bytes(301, 1), [1])]),
      ("key of a delete", [.delete(bytes(300, 1))], [.delete(bytes(301, 1))]),
      (
        "end of a range delete", [.deleteRange([0], bytes(300, 1))],
        [.deleteRange([0], bytes(301, 1))]
      ),
      (
        "entry", [.put(bytes(300, 1), bytes(1700, 2))], [.put(bytes(300, 1), bytes(1701, 2))]
      ),
      ("batch", put(5000), put(5001)),
      (
        "range deletes", (0..<4).map { .deleteRange([$0], [$0, 1]) },
        (0..<5).map { .deleteRange([$0], [$0, 1]) }
      ),
      ("memory", deletes(60, more: 0), deletes(60, more: 1)),
    ]
  }()

  @Test(arguments: maxima.indices)
  func whatIsTakenLivesOnAndWhatIsBeyondChangesNothing(index: Int) throws {
    let (name, most, tooMuch) = Self.maxima[index]
    let fileSystem = MemoryFileSystem()
    var tree = try TreeTests.open(fileSystem, Self.options)
    var model = TreeModel()
    let first: [Change] = [.put([7], Self.bytes(100, 9)), .put(Self.bytes(300, 1), [2])]
    try tree.apply(first)
    model.apply(first)
    let before = (fileSystem.allBytes(), tree.lastSequence)
    let error = #expect(throws: LSMError.self, "\(name)") { try tree.apply(tooMuch, sync: true) }
    guard case .tooLarge? = error else {
      Issue.record("\(name): \(String(describing: error))")
      return
    }
    #expect(fileSystem.allBytes() == before.0 && tree.lastSequence == before.1, "\(name)")
    #expect(tree.failure == nil)
    for round in 0..<3 {
      try tree.apply(most, sync: true)
      model.apply(most)
      switch round {
      case 0:
        // Recovered, in memory and into tables.
        var reading = Self.options
        reading.isReadOnly = true
        let reader = try TreeTests.open(fileSystem, reading)
        #expect(try reader.records().records == model.sorted(), "\(name), read only")
        try reader.close()
        let killed = try TreeTests.open(fileSystem.restart(), Self.options)
        #expect(try killed.records().records == model.sorted(), "\(name), recovered")
        try killed.close()
      case 1: try tree.flush()
      default: try tree.compact()
      }
      #expect(try tree.records().records == model.sorted(), "\(name), round \(round)")
    }
    try tree.apply(most, sync: true)
    model.apply(most)
    try tree.close()
    // Repaired: everything is merged, and the log replayed.
    try fileSystem.remove(ToolFixture.path("CURRENT"))
    _ = try fileSystem.repair(options: Self.options)
    tree = try TreeTests.open(fileSystem, Self.options)
    #expect(try tree.records().records == model.sorted(), "\(name), repaired")
    try tree.compact()
    #expect(try tree.records().records == model.sorted(), "\(name), compacted at last")
    try tree.close()
  }

  /// Recovery needs no more than the write did, also in a log whose batches fill every memtable to the brim.
  @Test func recoversBatchesThatFillEveryMemtable() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try TreeTests.open(fileSystem, Self.options)
    var model = TreeModel()
    for _ in 0..<5 {
      for (_, most, _) in Self.maxima {
        try tree.apply(most)
        model.apply(most)
      }
    }
    try tree.close()
    var options = Self.options
    options.memtableSizeBytes = 1
    let again = try TreeTests.open(fileSystem.restart(), options)
    #expect(try again.records().records == model.sorted())
    try again.close()
  }

  // MARK: - Index and range tombstones

  private static func longKey(_ number: Int, bytes: Int = 1000) -> [UInt8] {
    var random = SeededGenerator(seed: UInt64(number))
    // They differ at their ends, so that nothing shorter lies between two of them.
    return [UInt8](repeating: 0, count: bytes - 8) + random.bytes(8)
  }

  /// Long keys that compress to nothing: only their index is large.
  @Test func aTableEndsByItsIndexToo() throws {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.tableBytes = 16 << 10
    let fileSystem = MemoryFileSystem()
    let tree = try TreeTests.open(fileSystem, options)
    for round in 0..<2 {
      for number in 0..<300 { try tree.apply([.put(Self.longKey(number), [UInt8(round)])]) }
      try tree.compact()
    }
    // The index has nearly all keys in full.
    let count = try tree.statistics().levels[6].fileCount
    #expect(count >= 300 * 1000 / (16 << 10), "\(count) tables")
    #expect(try tree.records().records.count == 300)
    try tree.close()
  }

  /// Range deletes with long ends, many of them over one another: each table gets its part, and no more than
  /// one tombstone for each place of it.
  @Test(arguments: [false, true]) func aTableEndsByItsRangeTombstonesToo(nested: Bool) throws {
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    options.tableBytes = 16 << 10
    options.level0CompactionCount = 100
    let fileSystem = MemoryFileSystem()
    let tree = try TreeTests.open(fileSystem, options)
    var model = TreeModel()
    func write(_ changes: [Change]) throws {
      try tree.apply(changes)
      model.apply(changes)
    }
    let keys = (0..<120).map { Self.longKey($0) }
      .sorted { $0.lexicographicallyPrecedes($1) }
    for key in keys { try write([.put(key, [1])]) }
    try tree.compact()
    let snapshot = tree.snapshot()
    let held = model.sorted()
    for place in 0..<60 {
      try write([
        nested
          ? .deleteRange(keys[place], keys[119 - place])
          : .deleteRange(keys[2 * place], keys[2 * place + 1])
      ])
    }
    for place in 50..<55 { try write([.put(keys[place], [2])]) }
    for _ in 0..<2 {
      try tree.compact()
      #expect(try tree.records().records == model.sorted())
      #expect(try tree.records(descending: true).records == model.sorted().reversed())
      #expect(try tree.records(snapshot: snapshot).records == held)
      for key in keys { #expect(try tree.value(key).value == model.records[key]) }
    }
    let tables = try StoreInspection(fileSystem.restart(), directory: TreeRun.directory).tables
    for table in tables where table.level ?? 0 > 0 {
      #expect(table.metadata.rangeTombstoneCount <= 9, "\(table.metadata.rangeTombstoneCount)")
    }
    withExtendedLifetime(snapshot) {}
    try tree.close()
  }

  // MARK: - The real ones

  private static let isLong = ProcessInfo.processInfo.environment["SEANDB_LONG_TESTS"] != nil

  /// Applies a batch to a store on the disk, kills it, recovers, compacts, and compares the counts.
  private static func live(
    _ batches: [[UInt8]], records: Int, between: (LSMTree) throws -> Void = { _ in }
  ) throws {
    let directory = NSTemporaryDirectory() + "lsm-limits-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var options = TreeOptions()
    options.backgroundThreads = 0
    func count(_ tree: LSMTree) throws -> Int {
      var count = 0
      try [UInt8]().withUnsafeBytes { lower in
        _ = try tree.scan(
          from: lower, upTo: nil, descending: false, limit: .max, snapshot: nil, tier: .any
        ) { _, _ in
          count += 1
          return true
        }
      }
      return count
    }
    let first = try LSMTree.open(POSIXFileSystem(), directory: directory, options: options)
    for batch in batches {
      try batch.withUnsafeBytes { try first.apply($0, sync: true) }
    }
    try first.close()
    let tree = try LSMTree.open(POSIXFileSystem(), directory: directory, options: options)
    #expect(try count(tree) == records)
    try between(tree)
    try tree.compact()
    #expect(try count(tree) == records)
    #expect(tree.failure == nil)
    try tree.close()
    let summary = try StoreVerification.run(
      POSIXFileSystem(), directory: directory, report: { Issue.record("\($0)") })
    #expect(summary.problemCount == 0)
  }

  @Test(.enabled(if: isLong)) func takesABatchOfDeletesThatFillsAMemtable() throws {
    // 88 bytes and the key of each, and 1 MiB.
    let count = (Int(UInt32.max) - (1 << 20)) / (88 + 4)
    func batch(_ count: Int) -> [UInt8] {
      var bytes = [UInt8]()
      bytes.reserveCapacity(4 + count * 6)
      withUnsafeBytes(of: UInt32(count).littleEndian) { bytes += $0 }
      for number in 0..<count {
        bytes.append(0)
        bytes.append(4)
        withUnsafeBytes(of: UInt32(number).bigEndian) { bytes += $0 }
      }
      return bytes
    }
    let tree = try LSMTree.open(MemoryFileSystem(), directory: "/store")
    let error = #expect(throws: LSMError.self) {
      try batch(count + 1).withUnsafeBytes { try tree.apply($0, sync: false) }
    }
    guard case .tooLarge? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try tree.close()
    try Self.live([Change.batch([.put([1], [1])]), batch(count)], records: 1)
  }

  @Test(.enabled(if: isLong)) func takesABatchOfRangeDeletesWithTheLongestEnds() throws {
    let bytes = 16 << 20
    let deletes = (0..<31).map { number -> Change in
      var lower = [UInt8](repeating: 1, count: bytes)
      lower[0] = UInt8(number)
      var upper = lower
      upper[1] = 2
      return .deleteRange(lower, upper)
    }
    try Self.live(
      [Change.batch([.put([3, 1], [1]), .put([40], [1])]), Change.batch(deletes)], records: 2
    ) { tree in
      // Something below, so that they are kept.
      try tree.compact()
    }
  }

  @Test(.enabled(if: isLong)) func takesManyLongKeys() throws {
    let batches = (0..<700).map { number in
      Change.batch([.put(Self.longKey(number, bytes: 1 << 20), [1])])
    }
    try Self.live(batches, records: 700)
  }

  @Test(.enabled(if: isLong)) func takesTheLargestEntry() throws {
    let most = (1 << 30) - (1 << 16)
    func batch(_ bytes: Int) -> [UInt8] {
      Change.batch([.put([1], [UInt8](repeating: 7, count: bytes - 1))])
    }
    try Self.live([batch(most)], records: 1)
    let tree = try LSMTree.open(MemoryFileSystem(), directory: "/store")
    let error = #expect(throws: LSMError.self) {
      try batch(most + 1).withUnsafeBytes { try tree.apply($0, sync: false) }
    }
    #expect(error == .tooLarge(bytes: most + 1, limit: most))
    try tree.close()
  }
}
