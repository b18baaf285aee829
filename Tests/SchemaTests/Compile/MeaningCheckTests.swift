import Schema
import Testing

// In `database.proto` the schema is in a package and has the generated messages beside it.
@Suite("Meaning of the schema's names")
struct MeaningCheckTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What comes below syntax, package and imports; line 4 is the first.
    let text: String
    /// `line:column: message`, all that there are.
    let expected: [String]
    var package = "package acme.pets;"
  }

  static let imported = """
    package acme;
    import "google/protobuf/descriptor.proto";
    message Empty { int32 x = 1; extensions 100 to 200; }
    extend google.protobuf.MessageOptions { Empty mark = 50001; }
    """

  static func changed(_ subject: String, _ old: String = "acme.Empty") -> String {
    "\(subject) \(old), but in database.proto its name would mean acme.pets.Empty: write "
      + "`.\(old)`"
  }

  static let dog = "message Dog { string pk = 1; }\n"

  static let cases: [Case] = [
    Case(
      testDescription: "field",
      text: "message Dog {\n  string pk = 1;\n  Empty e = 2;\n}\n",
      expected: ["6:3: " + changed("field `e` of message Dog has the type")]),
    Case(
      testDescription: "nested field and map",
      text: "message Dog {\n  string pk = 1;\n  map<string, Empty> m = 2;\n  N n = 3;\n"
        + "  message N {\n    repeated Empty e = 1;\n  }\n}\n",
      expected: [
        "6:3: " + changed("the value of map `m` of message Dog has the type"),
        "9:14: " + changed("field `e` of message Dog.N has the type"),
      ]),
    Case(
      testDescription: "service",
      text: dog + "service Walks {\n  rpc Walk(Empty) returns (stream Empty);\n}\n",
      expected: [
        "6:12: " + changed("rpc Walk of service Walks takes"),
        "6:35: " + changed("rpc Walk of service Walks returns"),
      ]),
    Case(
      testDescription: "type of an extension",
      text: dog + "extend google.protobuf.FieldOptions {\n  Empty own = 50002;\n}\n",
      expected: ["6:3: " + changed("extension `own` of the file has the type")]),
    Case(
      testDescription: "type of an option that is used",
      text: "message Dog {\n  option (own) = {x: 1};\n  string pk = 1;\n}\n"
        + "extend google.protobuf.MessageOptions {\n  Empty own = 50002;\n}\n",
      expected: [
        "5:18: in database.proto, where a name can mean a generated message: Error while parsing "
          + "option value for \"own\": Message type \"acme.pets.Empty\" has no field named \"x\". "
          + "Write names of other packages in full, with a leading dot"
      ]),
    Case(
      testDescription: "written in full",
      text: "message Dog { string pk = 1; .acme.Empty e = 2; acme.Empty f = 3; }\n"
        + "service Walks { rpc Walk(.acme.Empty) returns (acme.Empty); }\n", expected: []),
    Case(
      testDescription: "without a package",
      text: "message Dog {\n  string pk = 1;\n  Owner owner = 2;\n}\n"
        + "service Walks { rpc Walk(Owner) returns (.Owner); }\n",
      expected: [
        "6:3: field `owner` of message Dog has the type Owner, but in database.proto its name "
          + "would mean database.Owner: write `.Owner`",
        "8:26: rpc Walk of service Walks takes Owner, but in database.proto its name would mean "
          + "database.Owner: write `.Owner`",
      ], package: "import \"global.proto\"; import \"taken.proto\";"),
    Case(
      testDescription: "own names without a package",
      text: "message Dog { string pk = 1; Kind kind = 2; }\nenum Kind { NONE = 0; }\n"
        + "service Walks { rpc Walk(Dog) returns (.Dog); }\n"
        + "extend .google.protobuf.FieldOptions { Dog own = 50002; }\n",
      expected: [], package: ""),
  ]

  @Test("Never changes silently", arguments: cases)
  func neverChanges(_ example: Case) async throws {
    let head = "syntax = \"proto3\";\n"
    let folder = try SchemaFolder([
      "schema.proto": head + example.package
        + "\nimport \"a.proto\"; import \"google/protobuf/descriptor.proto\";\n" + example.text,
      "a.proto": head.replacing("3", with: "2")
        + Self.imported.replacing("{ int32", with: "{ optional int32")
        .replacing("Empty mark", with: "optional Empty mark"),
      "global.proto": head + "message Owner {}\n",
      "taken.proto": head + "package database;\nmessage Owner {}\n",
    ])
    let diagnostics = try await folder.violations()
    #expect(diagnostics.allSatisfy { $0.file == "\(folder.path)/schema.proto" })
    #expect(diagnostics.map { "\($0.line):\($0.column): \($0.message)" } == example.expected)
  }
}
