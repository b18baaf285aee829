import Schema
import TestSupport
import Testing

@Suite("Legal schemas")
struct LegalSchemaTests {
  struct Legal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String
    let models: [String]
    var files: [String: String] = [:]
  }

  static let head = "syntax = \"proto3\";\npackage zoo.deep;\n"

  static let scalars = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes",
  ]

  static let keywords = [
    "message", "enum", "service", "rpc", "returns", "option", "import", "package", "syntax", "map",
    "oneof", "repeated", "optional", "required", "reserved", "extensions", "extend", "stream",
    "string", "int32", "bool", "to", "max", "true", "inf", "public", "weak", "group",
  ]

  static let zoo: [Legal] = [
    Legal(
      testDescription: "scalars, single, optional, repeated",
      text: head + "message All {\n  string pk = 1;\n"
        + scalars.enumerated().map { index, type in
          "  \(type) a\(index) = \(index + 10);\n  optional \(type) b\(index) = \(index + 50);\n"
            + "  repeated \(type) c\(index) = \(index + 90);\n"
        }.joined() + "}\n", models: ["All"]),
    Legal(
      testDescription: "negative enum values and aliases",
      text: head
        + "enum E { option allow_alias = true; Z = 0; LOW = -2147483648; A = 5; B = 5; }\n"
        + "message M { string pk = 1; E e = 2; repeated E es = 3; }\n", models: ["M"]),
    Legal(
      testDescription: "optional pk at the end, reserved, oneof, large numbers",
      text: head + "message M {\n  reserved 2, 9 to 11, 1000 to max; reserved \"old\";\n"
        + "  oneof o { int32 a = 3; string b = 4; N n = 5; }\n  optional string pk = 999;\n}\n"
        + "message N { bool x = 536870911; }\n", models: ["M"]),
    Legal(
      testDescription: "maps of everything",
      text: head + "message M {\n  string pk = 1;\n"
        + ["int32", "sint64", "fixed32", "bool", "string"].enumerated().map { index, key in
          "  map<\(key), N> n\(index) = \(index + 2);\n  map<\(key), bytes> b\(index) = "
            + "\(index + 20);\n"
        }.joined() + "}\nmessage N { map<string, N> children = 1; }\n", models: ["M"]),
    Legal(
      testDescription: "nested, recursive, and used through each other",
      text: head
        + "message A { string pk = 1; B b = 2; message In { Deep d = 1; message Deep { "
        + "A a = 1; } } }\n"
        + "message B { C c = 1; }\nmessage C { B b = 1; D.E e = 2; }\n"
        + "message D { enum E { X = 0; } }\n", models: ["A"]),
    Legal(
      testDescription: "messages in Entry, and a message with pk in another",
      text: head + "message Dog { string pk = 1; TagEntry tag = 2; Cat cat = 3; }\n"
        + "message TagEntry { string key = 1; string value = 2; }\nmessage Cat { string pk = 7; }\n"
        + "message DogTag { string pk = 1; }\n", models: ["Dog", "Cat", "DogTag"]),
    Legal(
      testDescription: "keyword fields",
      text: head + "message K {\n  string pk = 1;\n"
        + keywords.enumerated().map { "  string \($1) = \($0 + 2);\n" }.joined() + "}\n",
      models: ["K"]),
    Legal(
      testDescription: "a package-less schema with a message named like the package",
      text: "syntax = \"proto3\";\nmessage database { string pk = 1; .database next = 2; }\n",
      models: ["database"]),
    Legal(
      testDescription: "imports of every kind",
      text: head + "import public \"sub/a.proto\";\nimport \"google/protobuf/timestamp.proto\";\n"
        + "import \"google/protobuf/struct.proto\";\nimport \"old.proto\";\n"
        + "message M { string pk = 1; zoo.sub.A a = 2; google.protobuf.Timestamp t = 3;\n"
        + "  google.protobuf.Value v = 4; old.Legacy legacy = 5; }\n",
      models: ["M"],
      files: [
        "sub/a.proto": "syntax = \"proto3\";\npackage zoo.sub;\nimport \"sub/deep/b.proto\";\n"
          + "message A { B b = 1; }\n",
        "sub/deep/b.proto":
          "syntax = \"proto3\";\npackage zoo.sub;\nmessage B { string pk = 1; }\n",
        "old.proto": "syntax = \"proto2\";\npackage old;\nmessage Legacy { optional int32 a = 1 "
          + "[default = 7]; optional group G = 2 { optional string s = 1; } extensions "
          + "100 to 200; }\n"
          + "extend Legacy { optional string more = 100; }\n",
      ]),
    Legal(
      testDescription: "custom options, and a message that only an option uses",
      text: head + "import \"google/protobuf/descriptor.proto\";\nmessage Rule { int32 max = 1; }\n"
        + "extend google.protobuf.FieldOptions { Rule rule = 50001; }\n"
        + "message Scope { extend google.protobuf.MessageOptions { string tag = 50002; } }\n"
        + "message M { option (Scope.tag) = \"x\"; string pk = 1 [(rule) = { max: 5 }]; }\n",
      models: ["M"]),
    Legal(
      testDescription: "200 models",
      text: head
        + (0..<200).map { "message M\($0) { string pk = \($0 % 9 + 1); string t = 90; }\n" }
        .joined(),
      models: (0..<200).map { "M\($0)" }),
  ]

  @Test("Compiles, survives its container, and is what protoc says", arguments: zoo)
  func compiles(_ legal: Legal) async throws {
    let folder = try SchemaFolder(legal.files.merging(["schema.proto": legal.text]) { $1 })
    let schema = try await folder.compile()
    #expect(schema.models.map(\.name) == legal.models)
    #expect(schema.files.last?.name == "database.proto")
    let seen = schema.files.reduce(into: (names: Set<String>(), inOrder: true)) { state, file in
      state.inOrder = state.inOrder && state.names.isSuperset(of: file.dependencies)
      state.names.insert(file.name)
    }
    #expect(seen.inOrder)
    for model in schema.models {
      let record = WireBytes.field(model.keyFieldNumber, "key")
      let range = try record.withUnsafeBytes { try schema.recordPlan.checkRecord($0, model: model) }
      #expect(Array(record[range]) == Array("key".utf8))
    }
    let bytes = schema.serialized()
    let loaded = try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models)
    #expect(loaded.files == schema.files)
    #expect(loaded.importedFiles == schema.importedFiles)
    #expect(loaded.databaseProto == schema.databaseProto)
    #expect(loaded.serialized() == bytes)
    #expect(SchemaCompatibility.violations(old: schema, new: loaded).isEmpty)
  }
}
