import Bytes
import Engine
import Records
import TestSupport
import Testing

@Suite("Reads by an index") struct IndexReadTests {
  /// How a read of everything ends, and its answer.
  private func read(
    _ store: IndexedStore, _ request: [UInt8] = []
  ) throws -> (pause: RecordScan.Pause, answer: [UInt8], missing: [UInt8]) {
    try request.withUnsafeBytes { request in
      var scan = try store.store.scan(
        byIndex: 0, request, AnswerLimits(bytes: 1 << 20))
      var response = ByteWriter()
      let pause = try scan.run(tier: .any, budget: .unlimited, start: 0, into: &response) { false }
      if pause == .complete { scan.finishAnswer(pause, into: &response) }
      return (pause, response.array(), scan.missingRecord)
    }
  }

  private func makeStore(_ index: String) async throws -> IndexedStore {
    let store = try IndexedStore(
      try await IndexedStore.compile("index: {\(index)}"), MemoryEngine())
    for number in 0..<200 {
      let record =
        WireBytes.field(1, "k\(1000 + number)") + WireBytes.field(2, "n\(number)")
        + WireBytes.field(4, "t") + WireBytes.field(4, "t\(number)")
      #expect(try store.put(record) == .done)
    }
    return store
  }

  /// An entry whose record is not there ends the read: it is never left out.
  @Test(arguments: ["fields: \"name\"", "fields: \"name\", unique: true", "fields: \"tags\""])
  func saysThatARecordIsMissing(index: String) async throws {
    let store = try await makeStore(index)
    defer { store.stop() }
    #expect(try read(store).pause == .complete)
    let batch = WriteBatch()
    batch.delete(store.store.prefix.key("k1150".utf8))
    try store.engine.apply(batch, durability: .buffered)
    let found = try read(store)
    #expect(found.pause == .corruptIndex)
    #expect(found.missing == Array("k1150".utf8))
  }

  /// A Delete that finds an entry and no record does not say that it has deleted one.
  @Test func saysToADeleteThatTheRecordIsMissing() async throws {
    let store = try await makeStore("fields: \"name\", unique: true")
    defer { store.stop() }
    // The match is `eq` of the first column.
    let request = WireBytes.field(1, WireBytes.field(1, "n150"))
    let batch = WriteBatch()
    batch.delete(store.store.prefix.key("k1150".utf8))
    try store.engine.apply(batch, durability: .buffered)
    let call = try store.queueDelete(byIndex: 0, request)
    store.wait(for: 1)
    guard case .failed(let text) = store.outcome(of: call) else {
      Issue.record("\(String(describing: store.outcome(of: call)))")
      return
    }
    #expect(text.hasPrefix("corruptIndex"))
    let other = try store.queueDelete(byIndex: 0, WireBytes.field(1, WireBytes.field(1, "n151")))
    store.wait(for: 1)
    #expect(store.outcome(of: other) == .done)
    #expect(try !store.keys().contains("k1151"))
  }

  /// count_only is field 20, with or without records to look at.
  @Test(arguments: [
    ("fields: \"name\"", 200), ("fields: \"tags\"", 200),
    ("fields: \"tags\", include: \"name\"", 200),
    ("fields: \"name\", unique: true", 200),
  ])
  func countsEachRecordOnce(index: String, count: UInt64) async throws {
    let store = try await makeStore(index)
    defer { store.stop() }
    let answer = try read(store, WireBytes.field(20, varint: 1)).answer
    #expect(answer == WireBytes.field(3, varint: count))
  }

  @Test func saysThatAnIndexIsBeingBuilt() async throws {
    let engine = MemoryEngine()
    let first = try IndexedStore(try await IndexedStore.compile("plural: \"Dogs\""), engine)
    #expect(try first.put(WireBytes.field(1, "a")) == .done)
    first.stop()
    let store = try IndexedStore(
      try await IndexedStore.compile("plural: \"Dogs\", index: {fields: \"name\"}"), engine)
    defer { store.stop() }
    #expect(throws: QueryError.indexBuilding(index: "name", done: 0, total: 0)) {
      try read(store)
    }
    store.build()
    #expect(try read(store).pause == .complete)
  }
}
