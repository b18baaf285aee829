import Schema
import Testing

@Suite("Imports in editions")
struct ImportEditionsTests {
  static let head = "syntax = \"proto3\";\npackage p;\n"
  static let refusal = "editions are not supported yet: write `syntax = \"proto3\";`"

  @Test func refusesThemByName() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + "import \"a.proto\";\nmessage Dog { string pk = 1; A a = 2; }\nmessage Lonely {}\n",
      "a.proto": Self.head + "import public /* far */ \"b/c.proto\";\nmessage A { q.E e = 1; }\n",
      "b/c.proto": "// Made by hand.\n  edition = \"2023\";\npackage q;\nmessage E {\n"
        + "  E child = 1 [features.message_encoding = DELIMITED];\n}\n",
    ])
    #expect(try await folder.violations().map(\.description) == ["b/c.proto:2:3: \(Self.refusal)"])
  }

  @Test func leavesWordsOfTheSameNameAlone() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + "message Dog { string pk = 1; int32 edition = 2; string import = 3 [json_name = \"e.proto\"]; }\n",
      "e.proto": "edition = \"2023\";\n",
    ])
    #expect(try await folder.violations().isEmpty)
  }

  static let syntaxes = [
    "syntax = \"proto3\";", "syntax = \"pro\" \"to3\";", "syntax='pro'\n'to' // x\n \"3\";",
  ]

  @Test("Joins the strings of the syntax statement", arguments: syntaxes)
  func joins(_ statement: String) async throws {
    let schema = try await compile("\(statement)\nmessage Dog { string pk = 1; }\n")
    #expect(schema.databaseProto.contains("package database;"))
    #expect(schema.models.count == 1)
  }

  @Test func namesTheJoinedSyntax() async throws {
    let folder = try SchemaFolder(["schema.proto": "syntax = \"pro\" \"to2\";\n"])
    let violations = try await folder.violations()
    #expect(violations.first?.message.hasPrefix("the schema has syntax \"proto2\": ") == true)
  }
}
