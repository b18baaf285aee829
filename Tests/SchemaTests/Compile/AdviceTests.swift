import Schema
import Testing

@Suite("Advice on a bad schema")
struct AdviceTests {
  static let cases: [(body: String, says: String)] = [
    (
      "Timestamp t = 2;",
      "\"Timestamp\" is not defined. Write google.protobuf.Timestamp and "
        + "`import \"google/protobuf/timestamp.proto\";`"
    ),
    (
      "google.protobuf.Duration t = 2;",
      "\"google.protobuf.Duration\" is not defined. Write "
        + "`import \"google/protobuf/duration.proto\";`"
    ),
    (
      "repeated StringValue t = 2;",
      "\"StringValue\" is not defined. Write google.protobuf.StringValue and "
        + "`import \"google/protobuf/wrappers.proto\";`"
    ), ("Nope t = 2;", "\"Nope\" is not defined."),
    ("own.Timestamp t = 2;", "\"own.Timestamp\" is not defined."),
  ]

  @Test("Names the file of a well-known type", arguments: cases)
  func namesTheFile(_ body: String, _ says: String) async throws {
    let folder = try SchemaFolder([
      "schema.proto":
        "syntax = \"proto3\";\npackage p;\nmessage Dog {\n  string pk = 1;\n  \(body)\n}\n"
    ])
    let violations = try await folder.violations()
    #expect(violations.map(\.message) == [says])
    #expect(violations.first?.line == 5)
  }

  static let keys: [(field: String, hint: String?)] = [
    ("string PK = 1;", "PK"), ("string id = 1;", "id"), ("string dog_id = 1;", "dog_id"),
    ("optional string Key = 1;", "Key"), ("int32 id = 1;", nil), ("repeated string id = 1;", nil),
    ("string name = 1;", nil),
  ]

  @Test("Asks whether another field is the key", arguments: keys)
  func asks(_ field: String, _ hint: String?) async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nmessage Dog { \(field) }\n"
    ])
    let violations = try await folder.violations()
    #expect(violations.count == 1)
    let asked =
      hint.map { "is `\($0)` meant as the key? Name it `pk`" } ?? "add a field `string pk`"
    #expect(violations.first?.message.contains(asked) == true)
  }

  @Test func notesNamesThatAClientLibraryTakes() async throws {
    let schema = try await compile(
      "syntax = \"proto3\";\npackage p;\nmessage DatabaseClient { string pk = 1; }\n")
    #expect(schema.notes.count == 1)
    #expect(schema.notes.first?.contains("gRPC for Go") == true)
  }

  @Test func refusesAFolderCalledLikeTheGeneratedFile() async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"database.proto/a.proto\";\n"
        + "message Dog { string pk = 1; A a = 2; }\n",
      "database.proto/a.proto": "syntax = \"proto3\";\npackage p;\nmessage A {}\n",
    ])
    #expect(
      try await folder.violations().map { "\($0.line): \($0.message)" } == [
        "3: an imported file has the path \"database.proto/a.proto\", but database.proto is the "
          + "generated file and no folder: rename the folder"
      ])
  }
}
