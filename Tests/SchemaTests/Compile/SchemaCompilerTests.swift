import Schema
import Testing

@Suite("Schema compiler")
struct SchemaCompilerTests {
  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String
    /// `line:column: message`, all that there are.
    let expected: [String]
    var files: [String: String] = [:]
  }

  static let head = "syntax = \"proto3\";\npackage p;\n"
  static let dog = "message Dog { string pk = 1; }\n"

  static let keyAdvice =
    "without an option the key is one `string pk`; change its type, name the key (option (seandb.model) = "
    + "{key: \"pk\"}), or give the field another name if it is not the key"

  static func lonely(_ name: String) -> String {
    "message \(name) has no `string pk` and no other message uses it: add a field `string pk` to "
      + "make it a model, or name its key (option (seandb.model) = {key: \"…\"}), use it in a model, or remove it"
  }

  static let refusals: [Refusal] = [
    Refusal(
      testDescription: "message without pk that nothing uses",
      text: head + dog + "message Lonely { string name = 1; }\n",
      expected: ["4:9: \(lonely("Lonely"))"]),
    Refusal(
      testDescription: "message that only itself uses",
      text: head + dog + "message Loop { Loop next = 1; }\n", expected: ["4:9: \(lonely("Loop"))"]),
    Refusal(
      testDescription: "pk of another type, and more errors at once",
      text: head + "message Dog {\n  int64 pk = 1;\n}\nmessage Lonely {}\n"
        + "message Cat { repeated string pk = 4; }\nmessage Cow { map<string, string> pk = 1; }\n"
        + "message Key { string text = 1; }\nmessage Bee { Key pk = 1; }\n",
      expected: [
        "4:3: field `pk` of message Dog has type int64, not string: \(keyAdvice)",
        "6:9: \(lonely("Lonely"))",
        "7:15: field `pk` of message Cat is repeated: \(keyAdvice)",
        "8:15: field `pk` of message Cow is a map: \(keyAdvice)",
        "10:15: field `pk` of message Bee has type p.Key, not string: \(keyAdvice)",
      ]),
    Refusal(
      testDescription: "pk in a oneof",
      text: head + "message Dog {\n\toneof key {\n\t\tstring pk = 1;\n\t}\n}\n",
      expected: [
        "5:17: field `pk` of message Dog is in a oneof and so may be absent: move it "
          + "out of the oneof"
      ]),
    Refusal(
      testDescription: "plural taken by a message",
      text: head + dog + "message Dogs { string pk = 1; }\n",
      expected: [
        "4:9: message Dogs clashes with the message Dogs that is generated for model Dog "
          + "(schema.proto:3:9): rename one of them"
      ]),
    Refusal(
      testDescription: "plural taken by an enum value",
      text: head + dog + "enum Kind { Dogs = 0; }\n",
      expected: [
        "4:13: enum value Dogs clashes with the message Dogs that is generated for model Dog "
          + "(schema.proto:3:9): rename one of them"
      ]),
    Refusal(
      testDescription: "plural taken by an import of the same package",
      text: head + "import \"other.proto\";\nmessage Dog { string pk = 1; Dogs others = 2; }\n",
      expected: [
        "4:9: message Dogs, generated for model Dog, clashes with message Dogs of other.proto "
          + "(other.proto:3:9): rename one of them"
      ],
      files: ["other.proto": head + "message Dogs {}\n"]),
    Refusal(
      testDescription: "plural taken by a package below",
      text: head + "import \"other.proto\";\nmessage Dog { string pk = 1; Dogs.A others = 2; }\n",
      expected: [
        "4:9: message Dogs, generated for model Dog, clashes with package p.Dogs of other.proto "
          + "(other.proto:2:1): rename one of them"
      ],
      files: ["other.proto": "syntax = \"proto3\";\npackage p.Dogs;\nmessage A {}\n"]),
    Refusal(
      testDescription: "names that every schema gets",
      text: head + dog + "message IndexQuery { string pk = 1; }\nenum Empty { NONE = 0; }\n"
        + "service Database {}\n",
      expected: [
        "4:9: message IndexQuery clashes with the message IndexQuery that seandb "
          + "generates for every "
          + "schema: rename it",
        "5:6: enum Empty clashes with the message Empty that seandb generates for every schema: "
          + "rename it",
        "6:9: service Database clashes with the service Database that seandb generates for every "
          + "schema: rename it",
      ]),
    Refusal(
      testDescription: "models that differ by case, and by an underscore",
      text: head + dog + "message DOG { string pk = 1; }\nmessage DogTag { string pk = 1; }\n"
        + "message Dog_Tag { string pk = 1; }\n",
      expected: [
        "4:9: models DOG and Dog (schema.proto:3:9) differ only by case or underscores: "
          + "rename one of "
          + "them",
        "6:9: models Dog_Tag and DogTag (schema.proto:5:9) differ only by case or "
          + "underscores: rename "
          + "one of them",
      ]),
    Refusal(
      testDescription: "no model", text: head + "enum Only { NONE = 0; }\n",
      expected: [
        "1:1: the schema has no model: give a top-level message a field `string pk = 1;`"
      ]),
    Refusal(
      testDescription: "proto2", text: "// x\n syntax = \"proto2\";\n",
      expected: [
        "2:2: the schema has syntax \"proto2\": write `syntax = \"proto3\";` (files "
          + "that it imports "
          + "may be proto2)"
      ]),
    Refusal(
      testDescription: "edition", text: "edition = \"2023\";\n",
      expected: [
        "1:1: the schema has edition \"2023\": write `syntax = \"proto3\";` (files that it imports "
          + "may be proto2)"
      ]),
    Refusal(
      testDescription: "no syntax", text: "/*/ */package p;\n",
      expected: [
        "1:7: the schema does not begin with a syntax statement: write `syntax = "
          + "\"proto3\";` (files "
          + "that it imports may be proto2)"
      ]),
    Refusal(
      testDescription: "two errors that protoc finds",
      text: head + "message Dog {\n  string pk = ;\n}\nmessage Cat {\n  string = 2;\n}\n",
      expected: ["4:15: Expected field number.", "7:10: Expected field name."]),
    Refusal(
      testDescription: "import with the path of the generated file",
      text: head + "import \"database.proto\";\nmessage Dog { string pk = 1; A a = 2; }\n",
      expected: [
        "3:1: an imported file has the path \"database.proto\", which the generated file takes: "
          + "rename the imported file"
      ],
      files: ["database.proto": "syntax = \"proto3\";\npackage p;\nmessage A {}\n"]),
    Refusal(
      testDescription: "without a package, a name of an import in package database",
      text: "syntax = \"proto3\";\nimport \"other.proto\";\nmessage Dog { string pk = 1; }\n",
      expected: [
        "3:9: message Dog clashes with message Dog of other.proto (other.proto:3:9), "
          + "whose package is "
          + "database as well: rename one of them, or give this file a package"
      ],
      files: ["other.proto": "syntax = \"proto3\";\npackage database;\nmessage Dog {}\n"]),
  ]

  @Test("Refuses with every violation at its place", arguments: refusals)
  func refuses(_ refusal: Refusal) async throws {
    let folder = try SchemaFolder(
      refusal.files.merging(["schema.proto": refusal.text]) { $1 })
    let diagnostics = try await folder.violations()
    let place = "\(folder.path)/schema.proto"
    #expect(diagnostics.allSatisfy { $0.file == place && $0.rule == nil })
    let texts = diagnostics.map { diagnostic in
      "\(diagnostic.line):\(diagnostic.column): "
        + diagnostic.message.replacing("\(folder.path)/", with: "")
    }
    #expect(texts == refusal.expected)
  }

  @Test func namesTheFileOfAnErrorInAnImport() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head + "import \"a/b.proto\";\n" + Self.dog,
      "a/b.proto": Self.head + "message {}\n",
    ])
    let diagnostics = try await folder.violations()
    #expect(diagnostics.first?.description == "a/b.proto:3:9: Expected message name.")
    #expect(diagnostics.last?.file == "\(folder.path)/schema.proto")
    #expect(diagnostics.last?.line == 3)
  }

  @Test func refusesTextThatIsNotUTF8() async throws {
    let folder = try SchemaFolder()
    try folder.write("schema.proto", Array((Self.head + "// ").utf8) + [0xFF, 0x0A])
    await #expect(
      throws: SchemaError.invalid([
        Diagnostic(
          file: "\(folder.path)/schema.proto", line: 3, column: 4,
          message: "the file is not UTF-8 here: save it as UTF-8")
      ])
    ) { try await folder.compile() }
  }

  @Test func saysHowToInstallProtoc() async throws {
    let folder = try SchemaFolder(["schema.proto": seedSchema])
    let compiler = SchemaCompiler(includeDirectories: [], protoc: "no-such-protoc")
    do {
      _ = try await compiler.compile("\(folder.path)/schema.proto")
      Issue.record("compiled without protoc")
    } catch {
      #expect(error == .protocMissing(program: "no-such-protoc"))
      #expect(error.description.contains("protobuf-compiler libprotobuf-dev"))
    }
  }

  @Test func namesAMissingSchemaAndDirectory() async throws {
    let folder = try SchemaFolder(["schema.proto": seedSchema])
    await #expect(
      throws: SchemaError.io(operation: "open", path: "\(folder.path)/none.proto", code: 2)
    ) { try await folder.compile("none.proto") }
    await #expect(throws: SchemaError.includeDirectoryMissing("\(folder.path)/none")) {
      try await folder.compile(includeDirectories: ["none"])
    }
  }

  @Test func findsImportsInTheSchemasFolderThenInTheDirectories() async throws {
    let part = Self.head + "message Part { string x = 1; }\n"
    let folder = try SchemaFolder([
      "in/schema.proto": Self.head
        + "import \"near/a.proto\";\nimport \"b.proto\";\nimport "
        + "\"google/protobuf/timestamp.proto\";\n"
        + "message Dog { string pk = 1; Part a = 2; Far b = 3; "
        + "google.protobuf.Timestamp c = 4; }\n",
      "in/near/a.proto": part,
      "far: 1=2/b.proto": part.replacing("Part", with: "Far"),
      "far: 1=2/near/a.proto": "not read",
    ])
    let schema = try await folder.compile("in/schema.proto", includeDirectories: ["far: 1=2"])
    #expect(schema.importedFiles.map(\.path) == ["near/a.proto", "b.proto"])
    #expect(schema.importedFiles.first?.contents == Array(part.utf8))
    #expect(
      schema.files.map(\.name) == [
        "near/a.proto", "b.proto", "google/protobuf/timestamp.proto",
        "google/protobuf/field_mask.proto", "database.proto",
      ])
    #expect(
      schema.files.last?.dependencies == [
        "near/a.proto", "b.proto", "google/protobuf/timestamp.proto",
        "google/protobuf/field_mask.proto",
      ])
  }

  @Test func namesASchemaInsideADirectoryByIt() async throws {
    let folder = try SchemaFolder([
      "api/schema.proto": Self.head
        + "import \"api/part.proto\";\nmessage Whole { string pk = 1; Part part = 2; }\n",
      "api/part.proto": Self.head + "message Part {}\n",
    ])
    let schema = try await folder.compile("api/schema.proto", includeDirectories: ["."])
    #expect(schema.importedFiles.map(\.path) == ["api/part.proto"])
  }

  @Test func keepsWarningsAndNotes() async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.head
        + "import \"owner.proto\";\nimport \"google/protobuf/any.proto\";\n"
        + "message Dog { string pk = 1; o.Owner owner = 2; }\n"
        + "service Walks { rpc Walk(Dog) returns (Dog); }\n",
      "owner.proto": "syntax = \"proto3\";\npackage o;\nmessage Owner { string pk = 1; }\n",
    ])
    let schema = try await folder.compile()
    #expect(
      schema.warnings == [
        "\(folder.path)/schema.proto:4:1: warning: Import google/protobuf/any.proto is unused."
      ])
    #expect(
      schema.notes == [
        "owner.proto: message Owner has a `string pk` but is imported: it is an "
          + "embedded type, not a "
          + "model",
        "\(folder.path)/schema.proto: service Walks is kept in database.proto, but the "
          + "server does not "
          + "serve it",
      ])
    #expect(schema.models.map(\.name) == ["Dog"])
  }
}
