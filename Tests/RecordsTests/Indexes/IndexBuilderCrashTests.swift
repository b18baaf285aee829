import Engine
import EngineLSM
import Foundation
import LSM
import LSMTestSupport
import Records
import Schema
import TestSupport
import Testing

/// Builds of indexes on our engine, cut short at every call of the file system.
@Suite("Index builder crashes") struct IndexBuilderCrashTests {
  private static let indexed = """
    plural: "Dogs", index: {fields: "name", unique: true}, index: {fields: "tags", include: "name"}
    """

  private static func dog(_ number: Int, name: String? = nil) -> [UInt8] {
    WireBytes.field(1, "k\(1000 + number)") + WireBytes.field(2, name ?? "n\(number)")
      + WireBytes.field(4, "t\(number % 7)") + WireBytes.field(4, "u\(number % 3)")
  }

  /// Flushes and compacts every few records, on the thread that writes.
  private static func open(_ fileSystem: MemoryFileSystem) throws -> LSMEngine {
    var options = TreeOptions()
    options.memtableSizeBytes = 8 << 10
    options.table.blockBytes = 512
    options.backgroundThreads = 0
    return try LSMEngine(directory: "/data", tree: options, fileSystem: fileSystem)
  }

  private static let count = 300
  private static let isLong = ProcessInfo.processInfo.environment["SEANDB_LONG_TESTS"] != nil

  /// Records under a schema without indexes.
  private static func filled() async throws -> MemoryFileSystem {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/data")
    let engine = try open(fileSystem)
    let store = try IndexedStore(try await IndexedStore.compile("plural: \"Dogs\""), engine)
    for number in 0..<count { #expect(try store.put(dog(number)) == .done) }
    store.stop()
    try engine.close()
    return fileSystem.restart()
  }

  /// Builds, and writes before and after; ends where the file system does.
  ///
  /// - Returns: the names that were acknowledged.
  private static func build(_ schema: CompiledSchema, _ fileSystem: MemoryFileSystem) -> [String] {
    var names: [String] = []
    guard let engine = try? open(fileSystem) else { return names }
    defer { try? engine.close() }
    guard let store = try? IndexedStore(schema, engine) else { return names }
    defer { store.stop() }
    func put(_ number: Int, _ name: String) {
      if (try? store.put(dog(number, name: name))) == .done { names.append(name) }
    }
    put(7, "before")
    store.build()
    put(8, "after")
    return names
  }

  /// - Returns: what is wrong with what a crash has left.
  private static func check(
    _ schema: CompiledSchema, _ fileSystem: MemoryFileSystem, _ names: [String]
  ) throws -> [String] {
    let engine = try open(fileSystem)
    defer { try? engine.close() }
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    var problems = try store.problems().map { "before it goes on: \($0)" }
    store.build()
    problems += try store.problems()
    let indexes = store.store.indexes?.all ?? []
    problems += indexes.filter { !$0.isReady }.map { "\($0.state)" }
    if try store.entries(ofIndex: 0).count != count { problems.append("entries of name") }
    if try store.entries(ofIndex: 1).count != 2 * count { problems.append("entries of tags") }
    let entries = try store.entries(ofIndex: 0).map { String(decoding: $0.key, as: UTF8.self) }
    // A string in a key has two bytes at its end.
    for name in names where !entries.contains(where: { $0.hasPrefix(name + "\0") }) {
      problems.append("\(name) was acknowledged")
    }
    return problems
  }

  @Test func goesOnAfterACrashAtEveryCall() async throws {
    let base = try await Self.filled()
    let schema = try await IndexedStore.compile(Self.indexed)
    let whole = base.restart()
    let calls = whole.calls
    #expect(Self.build(schema, whole) == ["before", "after"])
    let last = whole.calls - calls
    try #require(last > 50)
    // All in the long form.
    let step = Self.isLong ? 1 : max(1, last / 30)
    for call in stride(from: 0, through: last, by: step) {
      let fileSystem = base.restart()
      fileSystem.die(afterCall: fileSystem.calls + call)
      let names = Self.build(schema, fileSystem)
      #expect(try Self.check(schema, fileSystem.restart(), names) == [], "call \(call), killed")
      // Writes were not synced: a power cut may take the last ones.
      #expect(
        try Self.check(schema, fileSystem.crash(seed: UInt64(call)), []) == [],
        "call \(call), power cut")
    }
  }
}
