import Engine
import Records
import Schema
import TestSupport
import Testing

@Suite("Index builder") struct IndexBuilderTests {
  private static let plain = "plural: \"Dogs\""
  private static let indexed = """
    plural: "Dogs", index: {fields: "name", unique: true, sparse: true}, index: {fields: "tags"}, \
    index: {fields: "-age", include: "name"}
    """

  private static func dog(_ number: Int, name: String? = nil) -> [UInt8] {
    WireBytes.field(1, "k\(1000 + number)") + WireBytes.field(2, name ?? "n\(number)")
      + WireBytes.field(4, "t\(number % 7)") + WireBytes.field(5, varint: UInt64(number % 5))
  }

  /// So many records under a schema without indexes.
  private static func filled(_ count: Int) async throws -> MemoryEngine {
    let engine = MemoryEngine()
    let store = try IndexedStore(try await IndexedStore.compile(plain), engine)
    defer { store.stop() }
    for number in 0..<count { #expect(try store.put(dog(number)) == .done) }
    return engine
  }

  @Test func buildsWhatWasAdded() async throws {
    let engine = try await Self.filled(1000)
    let store = try IndexedStore(try await IndexedStore.compile(Self.indexed), engine)
    defer { store.stop() }
    let indexes = try #require(store.store.indexes).all
    #expect(indexes.allSatisfy { $0.isBuilding })
    store.build()
    #expect(indexes.allSatisfy { $0.isReady })
    #expect(try (0..<3).map { try store.entries(ofIndex: $0).count } == [1000, 1000, 1000])
    #expect(try store.problems() == [])
    #expect(try store.put(Self.dog(2000, name: "n7")) == .taken("name", by: "k1007"))
  }

  /// What an index may have of one record is no limit for all records of a step.
  @Test func buildsOverLargeRecords() async throws {
    let engine = MemoryEngine()
    let large = String(repeating: "x", count: 1 << 20)
    do {
      let store = try IndexedStore(try await IndexedStore.compile(Self.plain), engine)
      defer { store.stop() }
      for number in 0..<40 { #expect(try store.put(Self.dog(number, name: large)) == .done) }
    }
    let indexed = "plural: \"Dogs\", index: {fields: \"age\", include: \"*\"}"
    let store = try IndexedStore(try await IndexedStore.compile(indexed), engine)
    defer { store.stop() }
    store.build()
    let index = try #require(store.store.indexes?.all.first)
    #expect(index.isReady, "\(index.state)")
    #expect(try store.entries(ofIndex: 0).count == 40)
    #expect(try store.problems() == [])
  }

  /// At each of its writes the process dies; the next one goes on, and others write meanwhile.
  @Test(arguments: SeededGenerator.seeds)
  func goesOnAfterItDied(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let memory = try await Self.filled(900)
    let schema = try await IndexedStore.compile(Self.indexed)
    var lives = 0
    while true {
      lives += 1
      let engine = ForgetfulEngine(
        memory, seed: seed, percentForgotten: 20, writes: 1 + random.below(6))
      guard let store = try? IndexedStore(schema, engine) else { continue }
      defer { store.stop() }
      for _ in 0..<random.below(3) {
        let number = random.below(1200)
        if random.below(3) == 0 {
          _ = try store.queueDelete(TestQuery(.eq("k\(1000 + number)")))
        } else {
          _ = try store.queuePut(Self.dog(number, name: "n\(number)"))
        }
        store.wait(for: 1)
      }
      // What is done by now is whole, up to the cursor.
      #expect(try store.problems() == [])
      store.build()
      if try #require(store.store.indexes).all.allSatisfy({ $0.isReady }) {
        #expect(try store.problems() == [])
        break
      }
      try #require(lives < 1000)
    }
    #expect(lives > 1)
  }

  @Test func failsWhereValuesAreNotUniqueAndIsTriedAgain() async throws {
    let engine = try await Self.filled(300)
    let schema = try await IndexedStore.compile(Self.indexed)
    do {
      let store = try IndexedStore(try await IndexedStore.compile(Self.plain), engine)
      defer { store.stop() }
      #expect(try store.put(Self.dog(500, name: "n3")) == .done)
      #expect(try store.put(Self.dog(501, name: "n4")) == .done)
    }
    do {
      let store = try IndexedStore(schema, engine)
      defer { store.stop() }
      store.build()
      let indexes = try #require(store.store.indexes).all
      guard case .failed(let reasons) = indexes[0].state else {
        Issue.record("\(indexes[0].state)")
        return
      }
      #expect(
        reasons == [
          "records with pk \"k1003\" and pk \"k1500\" have the same name",
          "records with pk \"k1004\" and pk \"k1501\" have the same name",
        ])
      #expect(try store.entries(ofIndex: 0).isEmpty)
      #expect(indexes[1].isReady && indexes[2].isReady)
      // Nothing is asked of the writes any more.
      #expect(try store.put(Self.dog(502, name: "n4")) == .done)
      _ = try store.queueDelete(TestQuery(.gte("k1500")))
      store.wait(for: 1)
      #expect(try store.problems() == [])
    }
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    store.build()
    #expect(try #require(store.store.indexes).all.allSatisfy { $0.isReady })
    #expect(try store.problems() == [])
  }

  @Test func saysWhatKeepsItFromGoingOn() async throws {
    let memory = try await Self.filled(600)
    // One write is that of the catalogue, one that of its identity, one a step.
    let store = try IndexedStore(
      try await IndexedStore.compile(Self.indexed), ForgetfulEngine(memory, writes: 2))
    defer { store.stop() }
    #expect(throws: EngineError.readOnly(reason: "it died")) {
      try store.builder.buildAll { _, _ in }
    }
    #expect(try #require(store.store.indexes).all.allSatisfy { $0.isBuilding })
    #expect(try store.problems() == [])
  }

  @Test func namesRecordsThatCanHaveNoEntry() async throws {
    let engine = MemoryEngine()
    do {
      let store = try IndexedStore(try await IndexedStore.compile(Self.plain), engine)
      defer { store.stop() }
      let long = String(repeating: "x", count: 5000)
      #expect(try store.put(WireBytes.field(1, "a") + WireBytes.field(2, long)) == .done)
    }
    let store = try IndexedStore(try await IndexedStore.compile(Self.indexed), engine)
    defer { store.stop() }
    store.build()
    let index = try #require(store.store.indexes).all[0]
    #expect(
      index.state
        == .failed([
          "record with pk \"a\": name is too long: the index takes 4096 bytes, and these are 5002"
        ]))
  }

  /// Names may change; another definition is another index, and what is gone leaves nothing.
  @Test func knowsAnIndexByItsDefinition() async throws {
    let engine = try await Self.filled(50)
    func open(_ options: String) async throws -> IndexedStore {
      try IndexedStore(try await IndexedStore.compile(options), engine)
    }
    let first = try await open("plural: \"Dogs\", index: {fields: \"name\", name: \"one\"}")
    first.build()
    first.stop()
    let id = try #require(first.store.indexes).all[0].id
    let second = try await open(
      "plural: \"Dogs\", index: {fields: \"tags\"}, index: {fields: \"name\", name: \"two\"}")
    let indexes = try #require(second.store.indexes).all
    #expect(indexes[1].id == id && indexes[1].isReady)
    #expect(indexes[0].isBuilding && indexes[0].id > id)
    second.build()
    second.stop()
    let third = try await open("plural: \"Dogs\", index: {fields: \"-name\"}")
    let changed = try #require(third.store.indexes).all[0]
    #expect(changed.isBuilding && changed.id > indexes[0].id)
    third.build()
    defer { third.stop() }
    #expect(try third.entries(ofIndex: 0).count == 50)
    var ids: Set<UInt32> = []
    _ = try engine.scan(
      KeyRange.prefix([KeyKind.index.rawValue]), direction: .ascending, limit: .max,
      snapshot: nil, tier: .any
    ) { key, _ in
      if let prefix = KeyPrefix(of: key) { ids.insert(prefix.model) }
      return .next
    }
    #expect(ids == [changed.id])
  }
}
