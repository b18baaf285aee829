import Schema
import Testing

@Suite("Options for models that are renamed or dropped") struct EvolutionOptionsTests {
  /// Six lines before the first model, whose option is in line 8.
  private static func schema(
    _ file: String, _ model: String, _ more: String = "", package: String = "package p;"
  ) -> String {
    """
    syntax = "proto3";
    \(package)
    import "seandb/options.proto";

    option java_package = "p";
    \(file)
    message Hound {
      option (seandb.model) = {\(model)};
      string pk = 1;
    }
    \(more)
    """
  }

  private static func dropped(_ names: String) -> String {
    "option (seandb.file) = {dropped: \(names)};"
  }

  private func violations(_ text: String) async throws -> [String] {
    try await SchemaFolder(["schema.proto": text]).violations().map {
      "\($0.line):\($0.column): \($0.message)"
    }
  }

  @Test(arguments: [("package p;", "p"), ("", "database")])
  func takesNamesOfModelsThatAreGone(_ package: String, _ name: String) async throws {
    let schema = try await compile(
      Self.schema(Self.dropped("[\"Cat\", \"_Owl\"]"), "previously: \"Dog\"", package: package))
    #expect(schema.models.map(\.previousFullName) == ["\(name).Dog"])
    #expect(schema.droppedModels == ["\(name).Cat", "\(name)._Owl"])
    let bytes = schema.serialized()
    #expect(schema.hasOptions && bytes[8] == 2)
    let loaded = try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models && loaded.droppedModels == schema.droppedModels)
    #expect(loaded.serialized() == bytes)
  }

  /// A program that knows nothing of them must not serve the schema.
  @Test func hasOptionsWhenTheyAreAllThereIs() async throws {
    #expect(try await compile(Self.schema("", "previously: \"Dog\"")).hasOptions)
    #expect(try await compile(Self.schema(Self.dropped("\"Cat\""), "")).hasOptions)
    let nothing = try await compile(Self.schema("option (seandb.file) = {};", "previously: \"\""))
    #expect(!nothing.hasOptions && nothing.serialized()[8] == 1)
    #expect(nothing.models[0].previousFullName == nil && nothing.droppedModels == [])
  }

  /// The list of the model may be called as the model was.
  @Test func takesTheNameOfItsList() async throws {
    let schema = try await compile(Self.schema("", "previously: \"Hounds\""))
    #expect(schema.models[0].previousFullName == "p.Hounds")
    #expect(schema.models[0].pluralName == "Hounds")
  }

  /// What was a model and is a type of others now has no records.
  @Test func dropsAModelWhoseMessageStays() async throws {
    let schema = try await compile(
      Self.schema(
        Self.dropped("\"Cat\""), "", "message Cat { option (seandb.model) = {embedded: true}; }"))
    #expect(schema.droppedModels == ["p.Cat"])
  }

  // MARK: - Wrong ones

  @Test(arguments: [
    (
      "p.Dog", "",
      "the previous name \"p.Dog\" of model Hound is no name of a message: write it without its package, in letters, digits and _, at most 255"
    ),
    (
      "2nd", "",
      "the previous name \"2nd\" of model Hound is no name of a message: write it without its package, in letters, digits and _, at most 255"
    ),
    (
      "Hound", "",
      "model Hound was previously Hound, as it is called now: name the model that it was, or take `previously` away"
    ),
    (
      "Dog", "message Dog { string pk = 1; }",
      "model Hound was previously Dog, and there is a message Dog (PATH:11:9): take `previously` away if the database has the new name already, or else the message"
    ),
    (
      "Dog", "message Cat { string pk = 1; Dog dog = 2; }\nmessage Dog {}",
      "model Hound was previously Dog, and there is a message Dog (PATH:12:9): take `previously` away if the database has the new name already, or else the message"
    ),
  ]) func saysWhatIsWrongWithAPreviousName(
    _ name: String, _ more: String, _ problem: String
  ) async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.schema("", "previously: \"\(name)\"", more)
    ])
    let path = "\(folder.path)/schema.proto"
    #expect(
      try await folder.violations().map(\.description) == [
        "\(path):8:3: " + problem.replacing("PATH", with: path)
      ])
  }

  @Test func refusesTheNameOfAnImportedMessageOfThePackage() async throws {
    let folder = try SchemaFolder([
      "dogs.proto": "syntax = \"proto3\";\npackage p;\nmessage Dog {}\n",
      "schema.proto": Self.schema("import \"dogs.proto\";", "previously: \"Dog\""),
    ])
    #expect(
      try await folder.violations().map(\.message) == [
        "model Hound was previously Dog, and there is a message Dog (dogs.proto:3:9): take `previously` away if the "
          + "database has the new name already, or else the message"
      ])
  }

  @Test func refusesASwapAndTwoHeirs() async throws {
    let other =
      "message Dog {\n  option (seandb.model) = {previously: \"Hound\"};\n  string pk = 1;\n}"
    let swap = try await violations(Self.schema("", "previously: \"Dog\"", other))
    #expect(
      swap.map { $0.prefix { $0 != "(" } } == [
        "8:3: model Hound was previously Dog, and there is a message Dog ",
        "12:3: model Dog was previously Hound, and there is a message Hound ",
      ])
    let folder = try SchemaFolder([
      "schema.proto": Self.schema(
        "", "previously: \"Cat\"", other.replacing("\"Hound\"", with: "\"Cat\""))
    ])
    #expect(
      try await folder.violations().map(\.description) == [
        "\(folder.path)/schema.proto:12:3: models Dog and Hound (\(folder.path)/schema.proto:8:3) were both previously "
          + "Cat, and one of them can have its records: take `previously` away from the other one"
      ])
  }

  @Test(arguments: [
    ("embedded: true ", "take `embedded` or `previously` away"),
    ("", "give it a field `string pk` or name its key, or take `previously` away"),
  ]) func refusesAPreviousNameOfWhatIsNoModel(_ option: String, _ advice: String) async throws {
    let more =
      "message Cat { string pk = 1; Part part = 2; }\nmessage Part {\n  option (seandb.model) = "
      + "{\(option)previously: \"Dog\"};\n}"
    #expect(
      try await violations(Self.schema("", "", more)) == [
        "13:3: message Part has `previously` in its option and is no model, so it has no records: \(advice)"
      ])
  }

  /// Each statement has its place, whatever other options there are.
  @Test func pointsAtTheStatement() async throws {
    let model = """
      message Dog {
        option deprecated = true;
        option (seandb.model).plural = "DogList";
        option (seandb.model).previously = "Dog";
        string pk = 1;
      }
      """
    let file = "option (seandb.file).dropped = \"Cat\"; option (seandb.file).dropped = \"Dog\";"
    #expect(
      try await violations(Self.schema(file, "", model)).map { $0.prefix { $0 != " " } } == [
        "6:39:", "14:3:",
      ])
  }

  @Test(arguments: [
    (
      "p.Cat",
      "`dropped` names \"p.Cat\", which is no name of a message: write it without its package, in letters, digits and _, at most 255"
    ),
    (
      "",
      "`dropped` names \"\", which is no name of a message: write it without its package, in letters, digits and _, at most 255"
    ),
    (
      "Hound",
      "`dropped` names model Hound, which is in the schema (PATH:7:9): take the name out of `dropped`, or the model out of the schema"
    ),
    (
      "Dog",
      "`dropped` names model Dog, whose records model Hound (PATH:8:3) takes over: take the name out of `dropped`, or `previously` away"
    ),
  ]) func saysWhatIsWrongWithADroppedName(_ name: String, _ problem: String) async throws {
    let folder = try SchemaFolder([
      "schema.proto": Self.schema(Self.dropped("[\"Cat\", \"\(name)\"]"), "previously: \"Dog\"")
    ])
    let path = "\(folder.path)/schema.proto"
    #expect(
      try await folder.violations().map(\.description) == [
        "\(path):6:1: " + problem.replacing("PATH", with: path)
      ])
  }

  /// Bytes of a later version come by an extension of the user's with the same number.
  @Test func namesAFieldThatIsNotKnown() async throws {
    func violations(_ field: String) async throws -> [String] {
      let folder = try SchemaFolder([
        "other.proto": """
        syntax = "proto3";
        package other;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.FileOptions { Later file = 50731; }
        message Later { \(field) }
        """,
        "schema.proto": """
        syntax = "proto3";
        import "other.proto";
        option java_package = "p";
        option (other.file) = {dropped: 7};
        message Dog { string pk = 1; }
        """,
      ])
      return try await folder.violations().map { "\($0.line):\($0.column): \($0.message)" }
    }
    #expect(
      try await violations("int32 dropped = 3;") == [
        "4:1: the file has field 3 of its option, which this seandb does not know: take the seandb/options.proto of this "
          + "seandb"
      ])
    #expect(
      try await violations("int32 dropped = 1;") == [
        "4:1: the file has an option (seandb.file) that cannot be read: take the seandb/options.proto of this seandb"
      ])
  }

  /// It may be the schema of another database.
  @Test func notesTheOptionOfAnImportedFile() async throws {
    let folder = try SchemaFolder([
      "shared.proto": """
      syntax = "proto3";
      package p;
      import "seandb/options.proto";
      option (seandb.file) = {dropped: "Hound"};
      message Coat { string colour = 1; }
      """,
      "schema.proto": Self.schema("import \"shared.proto\";", ""),
    ])
    let schema = try await folder.compile()
    #expect(schema.droppedModels == [])
    #expect(
      schema.notes == [
        "shared.proto: its option (seandb.file) is of no effect: only the schema itself says which models are dropped"
      ])
  }

  @Test func leavesOptionsOfOthersAlone() async throws {
    let folder = try SchemaFolder([
      "other.proto": """
      syntax = "proto3";
      package other;
      import "google/protobuf/descriptor.proto";
      extend google.protobuf.FileOptions { string note = 50732; Rules rules = 1071; }
      message Rules { repeated string dropped = 1; }
      """,
      "schema.proto": Self.schema(
        "import \"other.proto\"; option (other.note) = \"n\"; option (other.rules) = {dropped: \"Hound\"};"
          + Self.dropped("\"Cat\""), ""),
    ])
    #expect(try await folder.compile().droppedModels == ["p.Cat"])
  }
}
