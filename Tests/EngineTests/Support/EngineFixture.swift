import Engine
import EngineLSM
import EngineRocksDB
import LSM
import TestSupport
import Testing

/// The engines the conformance suite runs on.
enum EngineUnderTest: CaseIterable {
  case memory
  case rocksdb
  case lsm

  /// Whether what was written is there after close and open.
  var keepsData: Bool { self != .memory }

  func makeFixture() throws -> EngineFixture { try EngineFixture(self) }
}

/// An open engine in a directory of its own; both go with ``remove()``.
final class EngineFixture {
  let kind: EngineUnderTest
  let directory: TemporaryDirectory
  let options: EngineOptions
  private let tree: TreeOptions?
  private(set) var engine: any StorageEngine

  /// - Parameter tree: options of the LSM alone, in place of those all engines share.
  init(
    _ kind: EngineUnderTest, options: EngineOptions = .small, tree: TreeOptions? = nil
  ) throws {
    self.kind = kind
    self.options = options
    self.tree = tree
    directory = try TemporaryDirectory()
    engine = try Self.open(kind, directory.path("data"), options, tree)
  }

  /// Ends the fixture; for a `defer`, which also keeps it alive until then.
  func remove() {
    try? engine.close()
    directory.remove()
  }

  var path: String { directory.path("data") }

  /// Closes and opens again; an engine that keeps nothing stays as it is.
  func reopen() throws {
    guard kind.keepsData else { return }
    try engine.close()
    engine = try Self.open(kind, path, options, tree)
  }

  func open(_ path: String) throws -> any StorageEngine { try Self.open(kind, path, options, tree) }

  func open(_ path: String, options: EngineOptions) throws -> any StorageEngine {
    try Self.open(kind, path, options, nil)
  }

  private static func open(
    _ kind: EngineUnderTest, _ path: String, _ options: EngineOptions, _ tree: TreeOptions?
  ) throws -> any StorageEngine {
    switch kind {
    case .memory: MemoryEngine()
    case .rocksdb: try EngineDescriptor.rocksDB.open(path, options: options)
    case .lsm:
      if let tree {
        try LSMEngine(directory: path, tree: tree, fileSystem: POSIXFileSystem())
      } else {
        try EngineDescriptor.lsm.open(path, options: options)
      }
    }
  }
}

extension EngineOptions {
  /// Small buffers, so that small tests reach the disk.
  static var small: EngineOptions {
    var options = EngineOptions()
    options.cacheSizeBytes = 8 << 20
    options.memtableSizeBytes = 1 << 20
    return options
  }
}

extension TreeOptions {
  /// A drawn set of options, extremes among them: no answer may depend on one.
  static func drawn(_ random: inout SeededGenerator) -> TreeOptions {
    func one<Value>(of values: [Value], _ random: inout SeededGenerator) -> Value {
      values[Int(random.next() % UInt64(values.count))]
    }
    var options = TreeOptions()
    options.cacheSizeBytes = one(of: [0, 1, 64 << 10, 8 << 20], &random)
    options.memtableSizeBytes = one(of: [2 << 10, 16 << 10, 64 << 10], &random)
    options.table.blockBytes = one(of: [1, 100, 4 << 10, 64 << 10], &random)
    options.table.restartInterval = one(of: [1, 2, 16, 64], &random)
    options.table.compression = one(of: [.none, .zstd, .lz4], &random)
    options.table.filterBitsPerKey = one(of: [0, 1, 10], &random)
    options.tableBytes = one(of: [500, 4 << 10, 64 << 10], &random)
    options.baseLevelBytes = one(of: [1, 8 << 10, 1 << 20], &random)
    options.levelMultiplier = one(of: [2, 4, 10], &random)
    options.level0CompactionCount = one(of: [1, 2, 4], &random)
    options.rangeDeletesBeforeFlush = one(of: [3, 50], &random)
    return options
  }
}

/// A record as the tests compare it.
struct Record: Equatable, CustomStringConvertible {
  var key: [UInt8]
  var value: [UInt8]

  init(_ key: [UInt8], _ value: [UInt8]) {
    self.key = key
    self.value = value
  }

  init(_ key: String, _ value: String) { self.init(Array(key.utf8), Array(value.utf8)) }

  var description: String { "\(key)=\(value.prefix(2)) (\(value.count))" }
}

extension StorageEngine {
  func put(_ records: Record..., durability: Durability = .buffered) throws {
    let batch = WriteBatch()
    for record in records { batch.put(record.key, record.value) }
    try apply(batch, durability: durability)
  }

  // On an engine without files these do nothing.

  func flush() throws { try (self as? any LocalStore)?.flush() }
  func compact(_ range: KeyRange?) throws { try (self as? any LocalStore)?.compact(range) }
  func checkpoint(to path: String) throws { try (self as? any LocalStore)?.checkpoint(to: path) }

  func delete(_ key: String) throws {
    let batch = WriteBatch()
    batch.delete(Array(key.utf8))
    try apply(batch, durability: .buffered)
  }

  func deleteRange(_ lower: String, _ upper: String) throws {
    let batch = WriteBatch()
    batch.deleteRange(Array(lower.utf8), Array(upper.utf8))
    try apply(batch, durability: .buffered)
  }

  func value(_ key: String, snapshot: (any EngineSnapshot)? = nil) throws -> String? {
    try value(forKey: Array(key.utf8), snapshot: snapshot).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  func read(
    _ key: [UInt8], tier: ReadTier, snapshot: (any EngineSnapshot)? = nil
  ) throws -> (outcome: ReadOutcome, value: [UInt8]?) {
    var value: [UInt8]?
    let outcome = try key.withUnsafeBytes { key in
      try get(key, snapshot: snapshot, tier: tier) { value = Array($0) }
    }
    return (outcome, value)
  }

  /// - Parameter stop: the index at which the visitor says that it is enough.
  func read(
    _ keys: [[UInt8]], tier: ReadTier = .any, snapshot: (any EngineSnapshot)? = nil,
    upTo stop: Int = .max
  ) throws -> (outcome: ScanOutcome, values: [[UInt8]?]) {
    var values: [[UInt8]?] = []
    // Each key in memory of its own, as those of several requests are.
    let buffers = keys.map { key in
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: key.count, alignment: 1)
      buffer.copyBytes(from: key)
      return UnsafeRawBufferPointer(buffer)
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    let outcome = try buffers.withUnsafeBufferPointer { buffers in
      try get(buffers, snapshot: snapshot, tier: tier) { index, value in
        #expect(index == values.count)
        values.append(value.map { Array($0) })
        return index == stop ? .stop : .next
      }
    }
    return (outcome, values)
  }

  func records(
    _ range: KeyRange = .all, _ direction: ScanDirection = .ascending, limit: Int = .max,
    snapshot: (any EngineSnapshot)? = nil
  ) throws -> [Record] {
    try scanned(range, direction, limit: limit, snapshot: snapshot).records
  }

  func scanned(
    _ range: KeyRange = .all, _ direction: ScanDirection = .ascending, limit: Int = .max,
    snapshot: (any EngineSnapshot)? = nil, tier: ReadTier = .any
  ) throws -> (outcome: ScanOutcome, records: [Record]) {
    var records: [Record] = []
    let outcome = try scan(
      range, direction: direction, limit: limit, snapshot: snapshot, tier: tier
    ) { key, value in
      records.append(Record(Array(key), Array(value)))
      return .next
    }
    return (outcome, records)
  }

  func keys(_ range: KeyRange, _ direction: ScanDirection = .ascending) throws -> [String] {
    try records(range, direction).map { String(decoding: $0.key, as: UTF8.self) }
  }
}
