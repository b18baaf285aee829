import Engine
import Records
import Schema
import TestSupport
import Testing

@Suite("Catalogue") struct CatalogueTests {
  private func compile(_ text: String) async throws -> CompiledSchema {
    let directory = try TemporaryFolder()
    let path = try directory.write("schema.proto", text)
    return try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  private func model(_ name: String) -> String {
    "message \(name) { string pk = 1; string name = 2; }\n"
  }

  @Test func givesIdsOnceWhateverTheOrderOfTheFile() async throws {
    let catalogue = Catalogue(engine: MemoryEngine(), directory: "memory")
    let first = try await compile("syntax = \"proto3\";\n" + model("Dog") + model("Cat"))
    let before = try catalogue.adopt(first).modelIDs
    let second = try await compile(
      "syntax = \"proto3\";\n" + model("Ant") + model("Cat") + model("Dog"))
    let after = try catalogue.adopt(second).modelIDs
    #expect(after["database.Dog"] == before["database.Dog"])
    #expect(after["database.Cat"] == before["database.Cat"])
    #expect(Set(after.values).count == 3)
  }

  @Test func neverReusesTheIdOfADroppedModel() async throws {
    let catalogue = Catalogue(engine: MemoryEngine(), directory: "memory")
    let both = try await compile("syntax = \"proto3\";\n" + model("Dog") + model("Cat"))
    let before = try catalogue.adopt(both).modelIDs
    let one = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    #expect(try catalogue.adopt(one).modelIDs["database.Cat"] == nil)
    let again = try catalogue.adopt(both).modelIDs
    let old = try #require(before["database.Cat"])
    let new = try #require(again["database.Cat"])
    #expect(new > old)
    #expect(again["database.Dog"] == before["database.Dog"])
  }

  @Test func refusesToDropAModelWithRecordsAndChangesNothing() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let both = try await compile("syntax = \"proto3\";\n" + model("Dog") + model("Cat"))
    let ids = try catalogue.adopt(both).modelIDs
    let batch = WriteBatch()
    batch.put(KeyPrefix(.record, model: try #require(ids["database.Cat"])).key("c".utf8), [1])
    try engine.apply(batch, durability: .sync)
    let one = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    let error = #expect(throws: DatabaseError.self) { try catalogue.adopt(one) }
    guard case .schemaBreaks(let diagnostics) = error else {
      Issue.record("expected schemaBreaks, got \(String(describing: error))")
      return
    }
    #expect(diagnostics.map(\.rule) == ["MODEL_NO_DELETE"])
    #expect(try catalogue.storedSchema()?.serialized() == both.serialized())
    #expect(try catalogue.adopt(both).modelIDs == ids)
  }

  @Test func saysThatOptionsComeBeforeTheyAreStored() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let plain = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    let indexed = try await compile(
      """
      syntax = "proto3"; import "seandb/options.proto";
      message Dog { string pk = 1; string name = 2 [(seandb.field).index = true]; }
      """)
    var callCount = 0
    for schema in [plain, plain] {
      _ = try catalogue.adopt(schema) { _ in callCount += 1 }
    }
    #expect(callCount == 0)
    let sequence = try engine.lastSequence()
    // What the hook cannot do, keeps the schema from being stored.
    #expect(throws: DatabaseError.self) {
      _ = try catalogue.adopt(indexed) { (_) throws(DatabaseError) in
        throw .noSchema(path: "memory")
      }
    }
    #expect(try engine.lastSequence() == sequence)
    for schema in [indexed, indexed, plain, indexed] {
      _ = try catalogue.adopt(schema) { (_) throws(DatabaseError) in
        callCount += 1
        #expect(try catalogue.storedSchema()?.serialized() == plain.serialized())
      }
    }
    #expect(callCount == 1)
  }

  @Test func saysWhenTheStoredSchemaIsDamaged() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let schema = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    _ = try catalogue.adopt(schema)
    let key = KeyPrefix(.catalogue, model: 0).key("schema".utf8)
    var bytes = try #require(try engine.value(forKey: key))
    bytes[bytes.count / 2] ^= 1
    let batch = WriteBatch()
    batch.put(key, bytes)
    try engine.apply(batch, durability: .sync)
    let error = #expect(throws: DatabaseError.self) { try catalogue.storedSchema() }
    guard case .catalogueDamaged = error else {
      Issue.record("expected catalogueDamaged, got \(String(describing: error))")
      return
    }
  }

  // MARK: - Earlier schemas

  static let head = "syntax = \"proto3\";\npackage database;\n"
  static let dog = head + "message Dog { string pk = 1; Kind kind = 2; }\nenum Kind { NONE = 0; }\n"
  static let newer =
    head
    + "message Dog { string pk = 1; Kind kind = 2; string email = 4; reserved 9; Vet vet = 5; }\n"
    + "enum Kind { NONE = 0; POODLE = 1; }\nmessage Vet { string name = 1; }\nmessage Cat { string pk = 1; }\n"

  private func store(_ engine: MemoryEngine, _ id: UInt32?) throws {
    let batch = WriteBatch()
    batch.put(KeyPrefix(.record, model: try #require(id)).key("c".utf8), [1])
    try engine.apply(batch, durability: .sync)
  }

  @Test func servesAnEarlierSchemaAndKeepsTheStoredOne() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let old = try await compile(Self.dog)
    let new = try await compile(Self.newer)
    _ = try catalogue.adopt(old)
    let ids = try catalogue.adopt(new).modelIDs
    try store(engine, ids["database.Cat"])
    let back = try catalogue.adopt(old)
    #expect(back.modelIDs == ids)
    #expect(back.recordSchema.serialized() == new.serialized())
    #expect(
      back.missing == [
        "model Cat", "field `email` (4) of message database.Dog",
        "field `vet` (5) of message database.Dog", "`reserved 9;` of message database.Dog",
        "value POODLE (1) of enum database.Kind",
      ])
    #expect(try catalogue.storedSchema()?.serialized() == new.serialized())
    let forward = try catalogue.adopt(new)
    #expect(forward.modelIDs == ids)
    #expect(forward.missing.isEmpty)
  }

  /// Written by hand, so no schema that the database had before.
  @Test func takesAnEarlierSchemaThatItNeverSaw() async throws {
    let catalogue = Catalogue(engine: MemoryEngine(), directory: "memory")
    _ = try catalogue.adopt(try await compile(Self.newer))
    let without = Self.newer.replacing("string email = 4; ", with: "")
    let adopted = try catalogue.adopt(try await compile(without))
    #expect(adopted.missing == ["field `email` (4) of message database.Dog"])
  }

  @Test(
    "Refuses what is neither newer nor earlier",
    arguments: [
      ("string email = 4;", "int32 email = 4;"), ("string email = 4;", "int32 age = 6;"),
      ("reserved 9;", "string name = 9;"), ("string email = 4;", "reserved 4;"),
      ("message Cat { string pk = 1; }\n", "message Pup { string pk = 1; }\n"),
      ("message Vet { string name = 1; }", "message Vet { bytes name = 1; }"),
    ])
  func refuses(_ part: String, _ other: String) async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    _ = try catalogue.adopt(try await compile(Self.dog))
    let bytes = part.contains("Vet")
    let stored = bytes ? Self.newer.replacing(part, with: other) : Self.newer
    let changed = bytes ? Self.newer : Self.newer.replacing(part, with: other)
    let ids = try catalogue.adopt(try await compile(stored)).modelIDs
    try store(engine, ids["database.Cat"])
    // To reserve what was there is the one legal change of these.
    if other == "reserved 4;" {
      #expect(try catalogue.adopt(try await compile(changed)).missing.isEmpty)
    }
    let schema = try await compile(other == "reserved 4;" ? stored : changed)
    #expect(throws: DatabaseError.self) { try catalogue.adopt(schema) }
  }

  @Test func keepsTheLastSixteenSchemasThatWereReplaced() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    var fields = ""
    for number in 2...22 {
      fields += "string f\(number) = \(number); "
      let text = Self.head + "message Dog { string pk = 1; \(fields)}\n"
      _ = try catalogue.adopt(try await compile(text))
    }
    // Another comment is no other schema.
    _ = try catalogue.adopt(
      try await compile(Self.head + "// Hi.\nmessage Dog { string pk = 1; \(fields)}\n"))
    var numbers: [UInt8] = []
    let prefix = KeyPrefix(.catalogue, model: 0).key("earlier/".utf8)
    _ = try engine.scan(
      .prefix(prefix), direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, _ in
      numbers.append(key.last ?? 0)
      return .next
    }
    #expect(numbers == Array(5...20))
  }

  @Test func warnsOfWhatMayChangeTheMeaning() async throws {
    let catalogue = Catalogue(engine: MemoryEngine(), directory: "memory")
    _ = try catalogue.adopt(try await compile(Self.dog))
    let renamed = try await compile(Self.dog.replacing("kind", with: "sort"))
    #expect(try catalogue.adopt(renamed).warnings.count == 1)
    #expect(try catalogue.adopt(renamed).warnings.isEmpty)
  }
}
