import Schema
import Testing

@Suite("Options of models") struct ModelOptionsTests {
  private static let head = """
    syntax = "proto3";
    package p;
    import "seandb/options.proto";
    import "google/protobuf/timestamp.proto";

    """

  private static func message(_ option: String, _ fields: String) -> String {
    "message Visit {\n  option (seandb.model) = {\(option)};\n\(fields)\n}\n"
  }

  private static let fields = """
      string tenant = 1;
      google.protobuf.Timestamp created = 2;
      string id = 3;
      optional int32 rank = 4;
      double weight = 5;
      repeated string tags = 6;
      oneof one { string either = 7; string other = 8; }
      map<string, string> names = 9;
      Part part = 10;
      int32 order = 11;
      int64 pageSize = 12;
      message Part { string name = 1; }
    """

  @Test func makesAKeyOfColumns() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + Self.message(#"key: "tenant, -created,id , rank""#, Self.fields)
    ])
    let schema = try await folder.compile()
    let model = try #require(schema.models.first)
    #expect(model.key.text == "tenant, -created, id, rank")
    #expect(model.key.columns.map(\.number) == [1, 2, 3, 4])
    #expect(model.key.columns.map(\.kind) == [.string, .timestamp, .string, .int32])
    #expect(model.key.columns.map(\.hasPresence) == [false, true, false, true])
    #expect(!model.hasPlainKey && model.queryMessage == "Visits.ByPk")
    // In a program and in a data directory it is the same.
    let bytes = schema.serialized()
    #expect(bytes[8] == 2)
    let loaded = try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models)
    #expect(loaded.importedFiles.map(\.path) == ["seandb/options.proto"])
    #expect(loaded.notes.isEmpty)
  }

  @Test func keepsASchemaWithoutOptionsAsItWas() async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nmessage Dog { string pk = 1; }\n"
    ])
    let schema = try await folder.compile()
    #expect(!schema.hasOptions && schema.serialized()[8] == 1)
    #expect(schema.models[0].hasPlainKey && schema.models[0].queryMessage == "IndexQuery")
  }

  @Test func takesAKeyOfOneStringAsItIs() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + Self.message(#"key: "id""#, "string id = 3;")
    ])
    let model = try #require(try await folder.compile().models.first)
    #expect(model.hasPlainKey && model.keyFieldNumber == 3)
  }

  @Test func givesEachEnumAMatch() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + "enum E { ZERO = 0; }\n"
        + Self.message(
          #"key: "kind, order_id""#,
          "E kind = 1; E order_id = 3;")
    ])
    let schema = try await folder.compile()
    #expect(
      schema.databaseProto.contains(
        "    KindMatch kind = 1;\n    OrderIdMatch order_id = 2;\n"))
  }

  @Test func takesAPluralAndLeavesEmbeddedMessagesOut() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + """
        message Country { option (seandb.model).plural = "Countries"; string pk = 1; Place at = 2; }
        message Place { option (seandb.model) = {embedded: true}; string pk = 1; }
        """
    ])
    let schema = try await folder.compile()
    #expect(schema.models.map(\.name) == ["Country"])
    #expect(schema.models[0].pluralName == "Countries")
    #expect(schema.models[0].listField == "countries")
    #expect(schema.models[0].getMethod == "GetCountriesByPk")
  }

  @Test func leavesOptionsOfOthersAlone() async throws {
    let folder = try SchemaFolder([
      "other/options.proto": """
      syntax = "proto3";
      package other;
      import "google/protobuf/descriptor.proto";
      extend google.protobuf.MessageOptions { string note = 50700; Rules rules = 1071; }
      message Rules { string key = 1; bool on = 2; }
      """,
      "schema.proto": Self.head + "import \"other/options.proto\";\n"
        + "message Visit { option (other.note) = \"n\"; option (seandb.model).key = \"id\";\n"
        + "option (other.rules) = {key: \"a\" on: true}; int64 id = 3; }\n",
    ])
    let schema = try await folder.compile()
    #expect(schema.models[0].key.text == "id")
    #expect(
      Set(schema.importedFiles.map(\.path)) == ["seandb/options.proto", "other/options.proto"])
  }

  @Test func comesWithTheProgramWhateverTheUserHas() async throws {
    let folder = try SchemaFolder([
      "seandb/options.proto": "syntax = \"proto3\"; package seandb; this is none",
      "schema.proto": Self.head + Self.message(#"key: "id""#, "int64 id = 3;"),
    ])
    #expect(try await folder.compile().models.count == 1)
  }

  // MARK: - Wrong ones

  /// What is wrong with the key of `Visit`, whose option is in line 6.
  @Test(arguments: [
    (
      "nobody",
      "names `nobody`, and message Visit has no such field: name its fields as the message does"
    ),
    ("Tenant", "names `Tenant`, and message Visit has no such field: is `tenant` meant?"),
    ("id, ", "has an empty name: write fields with one comma between them"),
    ("id, -id", "names field `id` twice: name it once"),
    (
      "order", "names field `order`, which every query has for itself: give the field another name"
    ),
    (
      "id, pageSize",
      "names field `pageSize`, which every query has for itself: give the field another name"
    ),
    ("part.name", "names `part.name`: a key is made of fields of the message itself, without dots"),
    ("tags", "names field `tags`, which has several values: name one with a single value"),
    ("names", "names field `names`, which has several values: name one with a single value"),
    (
      "either",
      "names field `either`, which is in a oneof and so may be absent: move it out of the oneof"
    ),
    (
      "weight",
      "names field `weight` of type double, which has no place in a key: take a string, bytes, bool, enum, integer, Timestamp or Duration"
    ),
    (
      "part",
      "names field `part` of type p.Visit.Part, which has no place in a key: take a string, bytes, bool, enum, integer, Timestamp or Duration"
    ),
  ]) func saysWhatIsWrongWithAKey(_ key: String, _ problem: String) async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + Self.message("key: \"\(key)\"", Self.fields)
    ])
    let found = try await folder.violations()
    #expect(found.map(\.message) == ["the key of model Visit \(problem)"])
    #expect(found.map(\.line) == [6] && found.map(\.column) == [3])
  }

  @Test func refusesTooManyColumns() async throws {
    let names = (1...16).map { "c\($0)" }
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + Self.message(
          "key: \"\(names.joined(separator: ", "))\"",
          names.enumerated().map { "int32 \($1) = \($0 + 1);" }.joined())
    ])
    #expect(
      try await folder.violations().map(\.message) == [
        "the key of model Visit has 16 fields, and at most 15 are allowed: leave some out"
      ])
  }

  @Test(arguments: ["Visit", "2nd", "a-b"]) func refusesAPluralThatIsNoName(
    _ plural: String
  ) async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + Self.message("plural: \"\(plural)\"", "string pk = 1;")
    ])
    let found = try await folder.violations()
    #expect(found.count == 1 && found[0].message.contains("the plural"))
    #expect(found.first?.line == 6)
  }

  @Test func namesAnOptionThatIsNotKnown() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + Self.message("keys: \"a\"", "string pk = 1;")
    ])
    let found = try await folder.violations()
    #expect(found.count == 1 && found[0].message.contains("keys"))
    #expect(found.first?.line == 6)
  }
}
