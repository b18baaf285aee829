import Engine
import Records
import TestSupport
import Testing

/// The check can lie as well as the indexes can: each kind of damage is planted, and must be found.
@Suite("Index check") struct IndexCheckTests {
  private static let options = """
    index: {fields: "name", unique: true, sparse: true}, index: {fields: "tags", include: "age"}
    """

  private static func dog(_ number: Int) -> [UInt8] {
    WireBytes.field(1, "k\(number)") + WireBytes.field(2, "n\(number)")
      + WireBytes.field(4, "t\(number)") + WireBytes.field(5, varint: 2)
  }

  private func makeStore() async throws -> IndexedStore {
    let store = try IndexedStore(try await IndexedStore.compile(Self.options), MemoryEngine())
    for number in 0..<20 { #expect(try store.put(Self.dog(number)) == .done) }
    #expect(try store.problems() == [])
    return store
  }

  private func change(_ store: IndexedStore, _ body: (WriteBatch) throws -> Void) throws {
    let batch = WriteBatch()
    try body(batch)
    try store.engine.apply(batch, durability: .buffered)
  }

  private func key(_ store: IndexedStore, _ index: Int, _ entry: Int) throws -> [UInt8] {
    let prefix = try #require(store.store.indexes).all[index].plan.prefix
    return prefix.key(try store.entries(ofIndex: index)[entry].key)
  }

  @Test func findsAnEntryThatIsMissing() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    try change(store) { $0.delete(try key(store, 0, 3)) }
    #expect(
      try store.problems() == ["name: the record with pk \"k11\" has no entry, or not as it is"])
  }

  @Test func findsAnEntryWithAnotherValue() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    try change(store) { $0.put(try key(store, 1, 0), [8, 1]) }
    #expect(
      try store.problems() == ["tags: the record with pk \"k0\" has no entry, or not as it is"])
  }

  @Test func findsAnEntryOfNoRecord() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    try change(store) { $0.delete(store.store.prefix.key("k5".utf8)) }
    #expect(
      try store.problems() == [
        "name: an entry of the record with pk \"k5\" should not be there",
        "tags: an entry of the record with pk \"k5\" should not be there",
      ])
  }

  @Test func findsAnEntryTooMany() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    let prefix = try #require(store.store.indexes).all[1].plan.prefix
    try change(store) { $0.put(prefix.key([0x78, 0, 1] + "k5".utf8), []) }
    #expect(
      try store.problems() == ["tags: an entry of the record with pk \"k5\" should not be there"])
  }

  @Test func findsAnEntryThatNamesNothing() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    let prefix = try #require(store.store.indexes).all[0].plan.prefix
    try change(store) { $0.put(prefix.key([1, 2, 3]), [9]) }
    #expect(try store.problems() == ["name: an entry names no record"])
  }

  @Test func findsEntriesOfNoIndex() async throws {
    let store = try await makeStore()
    defer { store.stop() }
    try change(store) { $0.put(KeyPrefix(.index, model: 99).key([1]), [1]) }
    let indexes = try #require(try StoredIndexes(store.engine, directory: "memory"))
    var problems: [String] = []
    let verdict = try indexes.check { problems.append($0) }
    #expect(verdict.indexCount == 2 && verdict.entryCount == 40 && verdict.problemCount == 1)
    #expect(
      problems == [
        "there are entries of an index with the id 99, which the catalogue does not have"
      ])
    #expect(
      indexes.descriptions == [
        "name of Dog: ready, id 2", "tags of Dog: ready, id 3",
      ])
  }
}
