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

  /// A record is renamed after its entry was read: the answer has it as it was or as it is, at its place and once.
  @Test(arguments: [0, 1, 64, 128, 199], ["", ", include: \"*\"", ", unique: true"])
  func seesOneMomentWhileOthersWrite(lookUp: Int, options: String) async throws {
    let engine = ForgetfulEngine()
    let store = try IndexedStore(
      try await IndexedStore.compile("index: {fields: \"name\"\(options)}"), engine)
    defer { store.stop() }
    func dog(_ number: Int, _ name: String) -> [UInt8] {
      WireBytes.field(1, "k\(1000 + number)") + WireBytes.field(2, name)
    }
    for number in 0..<200 { #expect(try store.put(dog(number, "n\(1000 + number)")) == .done) }
    let before = try read(store)
    engine.interrupt(atLookUp: lookUp) {
      #expect((try? store.put(dog(150, "a"))) == .done)
    }
    let during = try read(store)
    let after = try read(store)
    #expect([before, during, after].allSatisfy { $0.pause == .complete })
    #expect(before.answer != after.answer || options.contains("include"))
    #expect(during.answer == before.answer || during.answer == after.answer)
  }

  /// As above, of one record by all columns of a unique index.
  @Test func looksUpEntryAndRecordOfOneMoment() async throws {
    let engine = ForgetfulEngine()
    let store = try IndexedStore(
      try await IndexedStore.compile("index: {fields: \"name\", unique: true}"), engine)
    defer { store.stop() }
    #expect(try store.put(WireBytes.field(1, "a") + WireBytes.field(2, "x")) == .done)
    let request = WireBytes.field(1, WireBytes.field(1, "x"))
    func point() throws -> (ModelStore.EntryOutcome, [UInt8]) {
      try request.withUnsafeBytes { request in
        var key = ByteWriter()
        var response = ByteWriter()
        #expect(try store.store.appendEntryKey(byIndex: 0, request, to: &key))
        let outcome = try store.store.point(
          ofEntry: key.bytes, byIndex: 0, tier: .memory, into: &response)
        return (outcome, response.array())
      }
    }
    let found = try point()
    #expect(found.0 == .found && !found.1.isEmpty)
    engine.interrupt(atLookUp: 1) {
      #expect((try? store.put(WireBytes.field(1, "a") + WireBytes.field(2, "y"))) == .done)
    }
    let unsettled = try point()
    #expect(unsettled.0 == .unsettled && unsettled.1.isEmpty)
    #expect(try point().0 == .absent)
    #expect(try store.put(WireBytes.field(1, "b") + WireBytes.field(2, "x")) == .done)
    let batch = WriteBatch()
    batch.delete(store.store.prefix.key("b".utf8))
    try store.engine.apply(batch, durability: .buffered)
    #expect(try point().0 == .unsettled)
    #expect(try read(store, request).pause == .corruptIndex)
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
