import Schema
import Testing

@Suite("Compatibility of models that are renamed or dropped") struct ModelChangesTests {
  private static let head = """
    syntax = "proto3";
    package p;
    import "seandb/options.proto";

    """
  private static let dog = """
    message Dog {
      option (seandb.model) = {key: "pk"};
      string pk = 1;
      Kind kind = 2;
      Coat coat = 3;
      map<string, Coat> coats = 4;
      Dog mother = 5;
      repeated Dog pups = 6;
      map<string, Dog> friends = 7;
      enum Kind { NONE = 0; BIG = 1; }
      message Coat { string colour = 1; Hair hair = 2; message Hair { int32 length = 1; } }
      reserved 20 to 25;
    }
    message Walk {
      string pk = 1;
      Dog dog = 2;
      Dog.Kind kind = 3;
      Dog.Coat.Hair hair = 4;
      map<string, Dog.Coat> coats = 5;
      oneof one { Dog other = 6; Leash leash = 7; }
    }
    message Leash { int32 length = 1; }

    """
  /// The same model, and the types in it, under another name.
  private static let hound = dog.replacing("Dog", with: "Hound")
    .replacing("{key: \"pk\"}", with: "{key: \"pk\", previously: \"Dog\"}")

  private static func file(_ dropped: String...) -> String {
    "option (seandb.file) = {dropped: [\(dropped.map { "\"\($0)\"" }.joined(separator: ", "))]};\n"
  }

  private static func model(_ name: String, _ previously: String = "") -> String {
    "message \(name) {\n  option (seandb.model) = {previously: \"\(previously)\"};\n  string pk = 1;\n}\n"
  }

  private func rules(_ old: CompiledSchema, _ new: CompiledSchema) -> [String] {
    SchemaCompatibility.violations(old: old, new: new).compactMap(\.diagnostic.rule).sorted()
  }

  @Test func findsNothingInAModelThatHasAnotherName() async throws {
    let old = try await compile(Self.head + Self.dog)
    let new = try await compile(Self.head + Self.hound)
    #expect(rules(old, new) == [])
    #expect(SchemaCompatibility.warnings(old: old, new: new) == [])
    let changes = ModelChanges(old: old, new: new)
    #expect(changes.renamed.map { [$0.oldName, $0.newName] } == [["p.Dog", "p.Hound"]])
    #expect(changes.dropped == [] && !changes.isEmpty)
    // The second start.
    #expect(ModelChanges(old: new, new: new).isEmpty)
    #expect(rules(new, new) == [] && SchemaCompatibility.isSame(new, new))
    #expect(!SchemaCompatibility.isSame(old, new) && !SchemaCompatibility.isSame(new, old))
  }

  @Test func isTwoModelsWithoutTheOption() async throws {
    let old = try await compile(Self.head + Self.dog)
    let new = try await compile(
      Self.head + Self.hound.replacing(", previously: \"Dog\"", with: ""))
    let expected =
      ["MODEL_NO_DELETE"] + Array(repeating: "FIELD_WIRE_COMPATIBLE_TYPE", count: 4)
    #expect(rules(old, new) == expected.sorted())
  }

  /// What is changed in the renamed model, and in types in it.
  @Test(arguments: [
    ("Kind kind = 2;", "", ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"]),
    ("Kind kind = 2;", "int32 kind = 2;", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("Coat coat = 3;", "repeated Coat coat = 3;", ["FIELD_WIRE_COMPATIBLE_CARDINALITY"]),
    ("string colour = 1;", "int32 colour = 1;", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("int32 length = 1; } }", "string length = 1; } }", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("BIG = 1;", "", ["ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED"]),
    ("reserved 20 to 25;", "reserved 20 to 24;", ["RESERVED_MESSAGE_NO_DELETE"]),
    ("Hound mother = 5;", "Leash mother = 5;", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("map<string, Hound> friends", "map<int32, Hound> friends", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("Hound mother = 5;", "oneof m { Hound mother = 5; }", ["FIELD_SAME_ONEOF"]),
    (
      "Hound other = 6; Leash leash = 7;", "Leash other = 6; Hound leash = 7;",
      Array(repeating: "FIELD_WIRE_COMPATIBLE_TYPE", count: 2)
    ),
    ("Hound.Kind kind = 3;", "Other kind = 3;", ["FIELD_WIRE_COMPATIBLE_TYPE"]),
    ("string pk = 1;\n  Kind", "reserved 1; string pk = 9;\n  Kind", ["KEY_SAME_FIELD"]),
    ("key: \"pk\"", "key: \"-pk\"", ["KEY_SAME_COLUMNS"]),
    ("string pk = 1;\n  Kind", "bytes pk = 1;\n  Kind", []),
    ("string pk = 1;\n  Kind", "optional string pk = 1;\n  Kind", []),
    ("Kind kind = 2;", "Kind kind = 2; string name = 8; Leash leash = 9;", []),
  ]) func comparesWithTheOldOne(_ part: String, _ other: String, _ expected: [String]) async throws
  {
    let types =
      "enum Other { OTHER = 0; ONE = 1; }\nmessage X { string pk = 1; Other other = 2; }\n"
    let old = try await compile(Self.head + Self.dog + types)
    #expect(Self.hound.contains(part))
    let new = try await compile(Self.head + Self.hound.replacing(part, with: other) + types)
    #expect(rules(old, new) == expected)
  }

  @Test(arguments: [
    ("a, b", "int32 a = 1; int64 b = 2;", "a, b", "int64 a = 1; int64 b = 2;", []),
    ("a", "int64 a = 1;", "a", "int32 a = 1;", ["KEY_SAME_TYPE"]),
    ("a", "int32 a = 1;", "a", "optional int32 a = 1;", ["KEY_SAME_PRESENCE"]),
    (
      "a, b", "int32 a = 1; int64 b = 2;", "b, a", "int32 a = 1; int64 b = 2;", ["KEY_SAME_COLUMNS"]
    ),
  ]) func keepsTheKeyOfColumns(
    _ key: String, _ fields: String, _ newKey: String, _ newFields: String, _ expected: [String]
  ) async throws {
    let old = try await compile(
      Self.head + "message Dog { option (seandb.model) = {key: \"\(key)\"}; \(fields) }\n")
    let new = try await compile(
      Self.head
        + "message Hound {\n  option (seandb.model) = {key: \"\(newKey)\" previously: \"Dog\"};\n"
        + "  \(newFields)\n}\n")
    #expect(rules(old, new) == expected)
    for violation in SchemaCompatibility.violations(old: old, new: new) {
      #expect(violation.diagnostic.message.contains("Hound"))
    }
  }

  /// A type that becomes the model has its records in others, which are compared too.
  @Test func comparesWithATypeOfTheNewNameToo() async throws {
    let old = try await compile(
      Self.head
        + "message Dog { string pk = 1; Hound hound = 2; }\nmessage Hound { int32 age = 3; }\n")
    func new(_ field: String) -> String {
      Self.head
        + "message Hound { option (seandb.model) = {previously: \"Dog\"}; string pk = 1; Hound hound = 2; "
        + "\(field) }\n"
    }
    #expect(rules(old, try await compile(new("int32 age = 3;"))) == [])
    #expect(rules(old, try await compile(new("string age = 3;"))) == ["FIELD_WIRE_COMPATIBLE_TYPE"])
  }

  @Test func goesFromNameToName() async throws {
    let first = try await compile(Self.head + Self.model("A"))
    let second = try await compile(Self.head + Self.model("B", "A"))
    let third = try await compile(Self.head + Self.model("C", "B"))
    let back = try await compile(Self.head + Self.model("A", "B"))
    #expect(rules(first, second) == [] && rules(second, third) == [] && rules(second, back) == [])
    // Who has not seen the second cannot know.
    #expect(rules(first, third) == ["MODEL_NO_DELETE"])
  }

  /// What was called so long ago is another model.
  @Test func letsTheOldNameBeUsedAgain() async throws {
    let stored = try await compile(Self.head + Self.model("Hound", "Dog"))
    let both = try await compile(Self.head + Self.model("Hound") + Self.model("Dog"))
    #expect(rules(stored, both) == [] && ModelChanges(old: stored, new: both).isEmpty)
    // To go back to the one before is to leave a model out.
    let violations = SchemaCompatibility.violations(old: both, new: stored)
    #expect(violations.map(\.deletedModel) == ["p.Dog"])
    #expect(SchemaCompatibility.additions(of: both, over: stored) == ["model Dog"])
  }

  // MARK: - Sentences

  @Test func saysHowAModelMayGo() async throws {
    func text(_ old: String, _ new: String) async throws -> [String] {
      SchemaCompatibility.violations(
        old: try await compile(Self.head + old), new: try await compile(Self.head + new)
      ).map { "\($0.diagnostic.line):\($0.diagnostic.column): \($0.diagnostic.message)" }
    }
    let both = Self.model("Dog") + Self.model("Cat")
    #expect(
      try await text(both, Self.model("Dog")) == [
        "1:1: model Cat was deleted or renamed: put it back, say {previously: \"Cat\"} in the model that it has become, say "
          + "{dropped: \"Cat\"} in option (seandb.file) when its records may go, or delete them first"
      ])
    #expect(
      try await text(
        both,
        Self.model("Dog") + "message Cat { reserved 1; }\nmessage X { string pk = 1; Cat cat = 2; }"
      ) == [
        "8:9: model Cat lost its `string pk`: put it back, say {dropped: \"Cat\"} in option (seandb.file) when its records "
          + "may go, or delete them first"
      ])
    #expect(
      try await text(both, Self.model("Dog", "Cat")) == [
        "5:3: model Cat cannot become model Dog, which is there already: put it back, say {dropped: \"Cat\"} in option "
          + "(seandb.file) when its records may go, or delete them first"
      ])
  }

  // MARK: - Dropped models

  @Test func letsADroppedModelGo() async throws {
    let old = try await compile(
      Self.head + Self.model("Dog") + Self.model("Cat") + Self.model("Owl"))
    let new = try await compile(Self.head + Self.file("Cat", "Emu") + Self.model("Dog"))
    #expect(SchemaCompatibility.violations(old: old, new: new).map(\.deletedModel) == ["p.Owl"])
    let changes = ModelChanges(old: old, new: new)
    #expect(changes.dropped == ["p.Cat"] && changes.renamed == [])
    let all = try await compile(Self.head + Self.file("Owl", "Cat") + Self.model("Dog"))
    #expect(rules(old, all) == [])
    #expect(rules(all, all) == [] && ModelChanges(old: all, new: all).isEmpty)
    #expect(!SchemaCompatibility.isSame(old, all))
  }

  /// Fields of its type have to go as ever.
  @Test func keepsTheFieldsOfItsType() async throws {
    let old = try await compile(
      Self.head + "message Dog { string pk = 1; Cat cat = 2; }\n" + Self.model("Cat"))
    func new(_ field: String, _ more: String = "") async throws -> [String] {
      rules(
        old,
        try await compile(
          Self.head + Self.file("Cat") + "message Dog { string pk = 1; \(field) }\n" + more))
    }
    #expect(try await new("") == ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"])
    #expect(try await new("reserved 2;") == [])
    #expect(
      try await new("Cat cat = 2;", "message Cat {}") == ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"])
    #expect(try await new("Cat cat = 2;", "message Cat { reserved 1; }") == [])
  }

  // MARK: - Earlier schemas

  /// A schema in which a model has another name, or is dropped, is no later one that could be served beside.
  @Test func isNoAdditionWhenAModelWentOnTheWay() async throws {
    let field = "message Owl { string pk = 1; string name = 2; }\n"
    let old = try await compile(
      Self.head + "message Owl { string pk = 1; }\n" + Self.model("Dog") + Self.model("Cat"))
    let renamed = try await compile(
      Self.head + field + Self.model("Hound", "Dog") + Self.model("Cat"))
    let dropped = try await compile(Self.head + Self.file("Cat") + field + Self.model("Dog"))
    #expect(SchemaCompatibility.additions(of: renamed, over: old) == nil)
    #expect(SchemaCompatibility.additions(of: dropped, over: old) == nil)
    // Of what follows they are earlier ones.
    let later = try await compile(
      Self.head + field.replacing("2;", with: "2; int32 age = 3;") + Self.model("Hound")
        + Self.model("Cat"))
    #expect(
      SchemaCompatibility.additions(of: later, over: renamed) == [
        "field `age` (3) of message p.Owl"
      ])
    // What was dropped and came again is not meant by what was said before.
    let again = try await compile(
      Self.head + field + Self.model("Dog") + Self.model("Cat"))
    #expect(SchemaCompatibility.additions(of: again, over: dropped) == ["model Cat"])
  }
}
