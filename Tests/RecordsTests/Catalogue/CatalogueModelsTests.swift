import Engine
import Records
import Schema
import TestSupport
import Testing

@Suite("Catalogue: models that are renamed or dropped") struct CatalogueModelsTests {
  private static let head = """
    syntax = "proto3";
    import "seandb/options.proto";

    """

  private static func model(
    _ name: String, _ option: String = "", _ fields: String = "string name = 2;"
  ) -> String {
    "message \(name) {\n  option (seandb.model) = {\(option)};\n  string pk = 1;\n  \(fields)\n}\n"
  }

  private static let index = "index: {fields: \"name\"}"
  private static let dropsCat = "option (seandb.file) = {dropped: \"Cat\"};\n"

  /// The same text is the same schema, its path too.
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func compile(_ text: String) async throws -> CompiledSchema {
    try await SchemaCompiler(includeDirectories: []).compile(
      folder.write("schema.proto", Self.head + text))
  }

  private func adopt(_ text: String, _ engine: any StorageEngine) async throws -> AdoptedSchema {
    try Catalogue(engine: engine, directory: "memory").adopt(try await compile(text))
  }

  private func verdict(_ text: String, _ engine: any StorageEngine) async throws -> SchemaVerdict {
    try Catalogue(engine: engine, directory: "memory").verdict(on: try await compile(text))
  }

  private func rules(_ text: String, _ engine: any StorageEngine) async throws -> [String] {
    guard case .breaks(let diagnostics) = try await verdict(text, engine) else { return [] }
    return diagnostics.compactMap(\.rule)
  }

  /// A record of a model that has no indexes.
  private func store(_ key: String, _ engine: any StorageEngine, _ id: UInt32?) throws {
    let batch = WriteBatch()
    batch.put(
      KeyPrefix(.record, model: try #require(id)).key(key.utf8),
      WireBytes.field(1, key) + WireBytes.field(2, "Rover"))
    try engine.apply(batch, durability: .sync)
  }

  /// All that is stored: keys and values.
  private func contents(_ engine: any StorageEngine) throws -> [[UInt8]: [UInt8]] {
    var found: [[UInt8]: [UInt8]] = [:]
    for kind in KeyKind.allCases {
      _ = try engine.scan(
        KeyRange.prefix([kind.rawValue]), direction: .ascending, limit: .max, snapshot: nil,
        tier: .any
      ) { key, value in
        found[Array(key)] = Array(value)
        return .next
      }
    }
    return found
  }

  private func count(_ kind: KeyKind, _ id: UInt32?, _ engine: any StorageEngine) throws -> Int {
    let prefix = KeyPrefix(kind, model: try #require(id)).bytes
    return try contents(engine).keys.count { $0.starts(with: prefix) }
  }

  /// The full names under which models have ids.
  private func names(_ engine: any StorageEngine) throws -> [String] {
    let prefix = KeyPrefix(.catalogue, model: 0).key("model/".utf8)
    return try contents(engine).keys.filter { $0.starts(with: prefix) }
      .map { String(decoding: $0.dropFirst(prefix.count), as: UTF8.self) }.sorted()
  }

  // MARK: - Renamed models

  @Test func keepsTheIdOfARenamedModel() async throws {
    let engine = MemoryEngine()
    let before = try await adopt(Self.model("Dog") + Self.model("Cat"), engine).modelIDs
    try store("rover", engine, before["database.Dog"])
    let text = Self.model("Ant") + Self.model("Hound", "previously: \"Dog\"") + Self.model("Cat")
    guard case .replaces(let changes) = try await verdict(text, engine) else {
      Issue.record("it should replace the stored one")
      return
    }
    #expect(
      changes.renamed.map { [$0.oldName, $0.newName] } == [["database.Dog", "database.Hound"]])
    #expect(changes.forgotten == [] && changes.deleted == [])
    let adopted = try await adopt(text, engine)
    #expect(adopted.modelIDs["database.Hound"] == before["database.Dog"])
    #expect(adopted.modelIDs["database.Cat"] == before["database.Cat"])
    #expect(adopted.modelIDs["database.Dog"] == nil && Set(adopted.modelIDs.values).count == 3)
    #expect(try names(engine) == ["database.Ant", "database.Cat", "database.Hound"])
    #expect(adopted.droppedEntries.isEmpty)
    #expect(
      adopted.warnings.map { "\($0.line):\($0.column): \($0.message)" } == [
        "8:9: model database.Hound has the records of database.Dog now: clients that were made for the old name do not "
          + "find its calls"
      ])
    // A later start changes nothing, for ever.
    let stored = try contents(engine)
    for _ in 0..<2 {
      let again = try await adopt(text, engine)
      #expect(again.modelIDs == adopted.modelIDs && again.warnings == [])
      #expect(try contents(engine) == stored)
    }
  }

  @Test func keepsRecordsAndIndexesOfARenamedModel() async throws {
    let engine = MemoryEngine()
    let tags = "string name = 2; repeated string tags = 3;"
    let first = try IndexedStore(
      try await compile(Self.model("Dog", Self.index + " index: {fields: \"tags\"}", tags)), engine)
    for number in 0..<50 {
      let record = WireBytes.field(1, "k\(number)") + WireBytes.field(2, "n\(number % 5)")
      #expect(try first.put(record + WireBytes.field(3, "t")) == .done)
    }
    first.stop()
    let before = try #require(first.store.indexes).all.map(\.plan.prefix)
    let entries = try first.entries(ofIndex: 0).map(\.key)
    // One index stays under another name, one goes, one is new.
    let option =
      "previously: \"Dog\" index: {fields: \"-name\"} index: {fields: \"name\" name: \"called\"}"
    let second = try IndexedStore(try await compile(Self.model("Hound", option, tags)), engine)
    defer { second.stop() }
    #expect(second.store.prefix == first.store.prefix)
    #expect(try second.keys().count == 50)
    let indexes = try #require(second.store.indexes).all
    #expect(indexes.map(\.isReady) == [false, true] && indexes[1].plan.prefix == before[0])
    #expect(try second.entries(ofIndex: 1).map(\.key) == entries)
    #expect(try count(.index, before[1].model, engine) == 0)
    second.build()
    #expect(try second.problems() == [])
    #expect(try second.put(WireBytes.field(1, "new") + WireBytes.field(2, "n")) == .done)
    #expect(try second.keys().count == 51)
  }

  @Test func goesFromNameToNameAndBack() async throws {
    let engine = MemoryEngine()
    let id = try await adopt(Self.model("A"), engine).modelIDs["database.A"]
    try store("rover", engine, id)
    for (name, previous) in [("B", "A"), ("C", "B"), ("A", "C")] {
      let text = Self.model(name, "previously: \"\(previous)\"")
      #expect(try await adopt(text, engine).modelIDs == ["database.\(name)": #require(id)])
      #expect(try names(engine) == ["database.\(name)"])
    }
    // The name that it had in between is free.
    let both = Self.model("A") + Self.model("B")
    let ids = try await adopt(both, engine).modelIDs
    #expect(ids["database.A"] == id && ids["database.B"] != id)
    #expect(try count(.record, ids["database.B"], engine) == 0)
  }

  /// In one change one model gets a name that another one had long ago.
  @Test func takesAnOldNameOfAnotherModel() async throws {
    let engine = MemoryEngine()
    let before = try await adopt(Self.model("Dog") + Self.model("Cat"), engine).modelIDs
    try store("rover", engine, before["database.Dog"])
    try store("tom", engine, before["database.Cat"])
    _ = try await adopt(Self.model("Hound", "previously: \"Dog\"") + Self.model("Cat"), engine)
    let after = try await adopt(
      Self.model("Hound") + Self.model("Dog", "previously: \"Cat\"") + Self.model("Cow"), engine
    ).modelIDs
    #expect(after["database.Hound"] == before["database.Dog"])
    #expect(after["database.Dog"] == before["database.Cat"])
    #expect(after.count == 3 && Set(after.values).count == 3)
  }

  @Test func refusesToTakeRecordsOverWhereThereAreSome() async throws {
    let engine = MemoryEngine()
    let ids = try await adopt(Self.model("Dog") + Self.model("Hound"), engine).modelIDs
    try store("rover", engine, ids["database.Dog"])
    let text = Self.model("Hound", "previously: \"Dog\"")
    #expect(try await rules(text, engine) == ["MODEL_NO_DELETE"])
    // When it has none itself, it need not be there: it goes first.
    _ = try await adopt(Self.model("Dog"), engine)
    #expect(
      try await adopt(text, engine).modelIDs == ["database.Hound": #require(ids["database.Dog"])])
  }

  @Test func refusesTheSchemaFromBeforeTheRenaming() async throws {
    let engine = MemoryEngine()
    let first = Self.model("Dog")
    let ids = try await adopt(first, engine).modelIDs
    try store("rover", engine, ids["database.Dog"])
    _ = try await adopt(Self.model("Hound", "previously: \"Dog\""), engine)
    #expect(try await rules(first, engine) == ["MODEL_NO_DELETE"])
    #expect(try await rules(first + Self.model("Cat"), engine) == ["MODEL_NO_DELETE"])
    let back = try await adopt(Self.model("Dog", "previously: \"Hound\""), engine)
    #expect(back.modelIDs == ids)
  }

  // MARK: - Dropped models

  @Test func deletesADroppedModelWithItsRecordsAndIndexes() async throws {
    let engine = MemoryEngine()
    let cats = try IndexedStore(
      try await compile(Self.model("Cat", Self.index) + Self.model("Dog", Self.index)), engine)
    for number in 0..<30 {
      let record = WireBytes.field(1, "k\(number)") + WireBytes.field(2, "n\(number)")
      #expect(try cats.put(record) == .done)
    }
    cats.stop()
    let entries = try #require(cats.store.indexes).all[0].plan.prefix
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let before = try await adopt(
      Self.model("Cat", Self.index) + Self.model("Dog", Self.index), engine)
    try store("rover", engine, before.modelIDs["database.Dog"])
    #expect(try count(.index, entries.model, engine) == 30)

    let text = Self.dropsCat + Self.model("Dog", Self.index)
    guard case .replaces(let changes) = try await verdict(text, engine) else {
      Issue.record("it should replace the stored one")
      return
    }
    #expect(changes.deleted == ["database.Cat"] && changes.forgotten == [])
    let adopted = try await adopt(text, engine)
    #expect(adopted.modelIDs == ["database.Dog": try #require(before.modelIDs["database.Dog"])])
    #expect(try names(engine) == ["database.Dog"])
    #expect(try count(.record, cats.store.prefix.model, engine) == 0)
    #expect(try count(.index, entries.model, engine) == 0)
    #expect(try count(.record, before.modelIDs["database.Dog"], engine) == 1)
    #expect(
      Set(adopted.droppedEntries.map(\.lower)) == [entries.all.lower, cats.store.prefix.all.lower])
    #expect(
      adopted.warnings.map { "\($0.line):\($0.column): \($0.message)" } == [
        "3:1: model database.Cat is gone, and its records were deleted"
      ])
    let stored = try contents(engine)
    let again = try await adopt(text, engine)
    #expect(again.droppedEntries.isEmpty && again.warnings.isEmpty)
    #expect(try contents(engine) == stored)
    #expect(try catalogue.storedSchema()?.droppedModels == ["database.Cat"])
    // A model of the name is another one, and has none of the records.
    let anew = try await adopt(Self.model("Dog") + Self.model("Cat"), engine).modelIDs
    #expect(try count(.record, anew["database.Cat"], engine) == 0)
    #expect(anew["database.Cat"] != before.modelIDs["database.Cat"])
  }

  @Test func forgetsADroppedModelThatHasNoRecords() async throws {
    let engine = MemoryEngine()
    _ = try await adopt(Self.model("Dog") + Self.model("Cat"), engine)
    let text = Self.dropsCat + Self.model("Dog")
    guard case .replaces(let changes) = try await verdict(text, engine) else {
      Issue.record("it should replace the stored one")
      return
    }
    #expect(changes.forgotten == ["database.Cat"] && changes.deleted == [])
    let adopted = try await adopt(text, engine)
    #expect(adopted.droppedEntries.isEmpty && adopted.warnings.isEmpty)
    #expect(try names(engine) == ["database.Dog"])
  }

  @Test func deletesTheRecordsOfAModelThatIsATypeNow() async throws {
    let engine = MemoryEngine()
    let ids = try await adopt(Self.model("Dog") + Self.model("Cat"), engine).modelIDs
    try store("tom", engine, ids["database.Cat"])
    let embedded = Self.model("Cat", "embedded: true")
    #expect(try await rules(Self.model("Dog") + embedded, engine) == ["MODEL_NO_DELETE"])
    _ = try await adopt(Self.dropsCat + Self.model("Dog") + embedded, engine)
    #expect(try count(.record, ids["database.Cat"], engine) == 0)
  }

  /// What the release before says of a model was said before the model came again.
  @Test func dropsNothingWhenAReleaseIsRolledBack() async throws {
    let engine = MemoryEngine()
    let dropping = Self.dropsCat + Self.model("Dog")
    let both = Self.model("Dog") + Self.model("Cat")
    _ = try await adopt(dropping, engine)
    let ids = try await adopt(both, engine).modelIDs
    try store("tom", engine, ids["database.Cat"])
    let back = try await adopt(dropping, engine)
    #expect(back.missing == ["model Cat"] && back.modelIDs == ids)
    #expect(try count(.record, ids["database.Cat"], engine) == 1)
    // One that was not there before means what it says.
    let edited = dropping + Self.model("Owl")
    #expect(try await adopt(edited, engine).modelIDs["database.Cat"] == nil)
    #expect(try count(.record, ids["database.Cat"], engine) == 0)
  }

  /// The database had the rest of this schema before, without the option.
  @Test func dropsWhatAnEarlierSchemaDidNotHave() async throws {
    let engine = MemoryEngine()
    _ = try await adopt(Self.model("Dog"), engine)
    let ids = try await adopt(Self.model("Dog") + Self.model("Cat"), engine).modelIDs
    try store("tom", engine, ids["database.Cat"])
    #expect(try await adopt(Self.model("Dog"), engine).missing == ["model Cat"])
    #expect(try await adopt(Self.dropsCat + Self.model("Dog"), engine).missing == [])
    #expect(try count(.record, ids["database.Cat"], engine) == 0)
  }

  @Test func dropsNothingWhenSomethingElseBreaks() async throws {
    let engine = MemoryEngine()
    let stored = Self.model("Dog") + Self.model("Cat")
    let ids = try await adopt(stored, engine).modelIDs
    try store("tom", engine, ids["database.Cat"])
    let text = Self.dropsCat + Self.model("Dog", "", "")
    #expect(try await rules(text, engine) == ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"])
    await #expect(throws: DatabaseError.self) { try await adopt(text, engine) }
    #expect(try count(.record, ids["database.Cat"], engine) == 1)
    #expect(try await adopt(stored, engine).modelIDs == ids)
  }

  // MARK: - Crashes

  /// Names, indexes, records and the schema change in one batch: all or nothing of them is there after a crash.
  @Test func isOneBatch() async throws {
    let engine = MemoryEngine()
    let old = Self.model("Dog", Self.index) + Self.model("Cat", Self.index) + Self.model("Owl")
    let ids = try await adopt(old, engine).modelIDs
    try store("tom", engine, ids["database.Cat"])
    try store("rover", engine, ids["database.Dog"])
    let new =
      Self.dropsCat
      + Self.model(
        "Hound", "previously: \"Dog\" \(Self.index) index: {fields: \"-name\" name: \"last\"}")
      + Self.model("Emu", "previously: \"Owl\"") + Self.model("Cow", Self.index)
    let before = try contents(engine)
    await #expect(throws: DatabaseError.self) {
      try await adopt(new, ForgetfulEngine(engine, writes: 0))
    }
    #expect(try contents(engine) == before)
    let after = try await adopt(new, ForgetfulEngine(engine, writes: 1)).modelIDs
    #expect(after["database.Hound"] == ids["database.Dog"])
    #expect(after["database.Emu"] == ids["database.Owl"])
    #expect(try count(.record, ids["database.Cat"], engine) == 0)
    #expect(try count(.record, ids["database.Dog"], engine) == 1)
    #expect(try names(engine) == ["database.Cow", "database.Emu", "database.Hound"])
  }
}
