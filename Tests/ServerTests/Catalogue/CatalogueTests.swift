import Engine
import Schema
import Server
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
    let before = try catalogue.adopt(first)
    let second = try await compile(
      "syntax = \"proto3\";\n" + model("Ant") + model("Cat") + model("Dog"))
    let after = try catalogue.adopt(second)
    #expect(after["database.Dog"] == before["database.Dog"])
    #expect(after["database.Cat"] == before["database.Cat"])
    #expect(Set(after.values).count == 3)
  }

  @Test func neverReusesTheIdOfADroppedModel() async throws {
    let catalogue = Catalogue(engine: MemoryEngine(), directory: "memory")
    let both = try await compile("syntax = \"proto3\";\n" + model("Dog") + model("Cat"))
    let before = try catalogue.adopt(both)
    let one = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    #expect(try catalogue.adopt(one)["database.Cat"] == nil)
    let again = try catalogue.adopt(both)
    let old = try #require(before["database.Cat"])
    let new = try #require(again["database.Cat"])
    #expect(new > old)
    #expect(again["database.Dog"] == before["database.Dog"])
  }

  @Test func refusesToDropAModelWithRecordsAndChangesNothing() async throws {
    let engine = MemoryEngine()
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let both = try await compile("syntax = \"proto3\";\n" + model("Dog") + model("Cat"))
    let ids = try catalogue.adopt(both)
    let batch = WriteBatch()
    batch.put(KeyPrefix(.record, model: try #require(ids["database.Cat"])).key("c".utf8), [1])
    try engine.apply(batch, durability: .sync)
    let one = try await compile("syntax = \"proto3\";\n" + model("Dog"))
    let error = #expect(throws: ServerError.self) { try catalogue.adopt(one) }
    guard case .schemaBreaks(let diagnostics) = error else {
      Issue.record("expected schemaBreaks, got \(String(describing: error))")
      return
    }
    #expect(diagnostics.map(\.rule) == ["MODEL_NO_DELETE"])
    #expect(try catalogue.storedSchema()?.serialized() == both.serialized())
    #expect(try catalogue.adopt(both) == ids)
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
    let error = #expect(throws: ServerError.self) { try catalogue.storedSchema() }
    guard case .catalogueDamaged = error else {
      Issue.record("expected catalogueDamaged, got \(String(describing: error))")
      return
    }
  }
}
