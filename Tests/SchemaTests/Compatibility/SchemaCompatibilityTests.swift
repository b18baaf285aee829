import Foundation
import Schema
import Testing

@Suite("Schema compatibility")
struct SchemaCompatibilityTests {
  /// An old and a new schema, and the rules that the step from one to the other breaks.
  struct Pair: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let old: [String: String]
    let new: [String: String]
    let rules: [String]

    /// Fields of message Dog from number 2 on, and what else is in the file.
    init(
      _ name: String, _ old: String, _ new: String, types: String = "", newTypes: String? = nil,
      _ rules: [String] = []
    ) {
      testDescription = name
      func text(_ fields: String, _ types: String) -> String {
        "syntax = \"proto3\";\npackage p;\nmessage Dog {\n  string pk = 1;\n  "
          + "\(fields)\n}\n\(types)\n"
      }
      self.old = ["schema.proto": text(old, types)]
      self.new = ["schema.proto": text(new, newTypes ?? types)]
      self.rules = rules
    }

    /// The body of message `L` of an imported proto2 file.
    init(proto2 name: String, _ old: String, _ new: String, _ rules: [String] = []) {
      testDescription = "proto2: \(name)"
      func files(_ body: String) -> [String: String] {
        [
          "schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"o.proto\";\n"
            + "message Dog { string pk = 1; L l = 2; }\n",
          "o.proto": "syntax = \"proto2\";\npackage p;\nmessage L { \(body) }\n",
        ]
      }
      self.old = files(old)
      self.new = files(new)
      self.rules = rules
    }
  }

  static let valueDeleted = "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED"
  static let fieldDeleted = "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"
  static let fieldDefault = "FIELD_SAME_DEFAULT"
  static let oneof = "FIELD_SAME_ONEOF"
  static let cardinality = "FIELD_WIRE_COMPATIBLE_CARDINALITY"
  static let type = "FIELD_WIRE_COMPATIBLE_TYPE"
  static let required = "MESSAGE_SAME_REQUIRED_FIELDS"
  static let reservedEnum = "RESERVED_ENUM_NO_DELETE"
  static let reservedMessage = "RESERVED_MESSAGE_NO_DELETE"

  static let twoMessages =
    "message A { string x = 1; }\nmessage B { string x = 1; }\n"
    + "message Both { string pk = 1; A a = 2; B b = 3; }"
  static let enumE = "enum E { E_ZERO = 0; E_ONE = 1; }\n"

  static let fields: [Pair] = [
    Pair("the same", "int32 a = 2;", "int32 a = 2;"),
    Pair("field added", "int32 a = 2;", "int32 a = 2; string b = 3;"),
    Pair("field renamed", "int32 a = 2;", "int32 b = 2;"),
    Pair("field deleted", "int32 a = 2;", "", [fieldDeleted]),
    Pair("field deleted, number reserved", "int32 a = 2;", "reserved 2;"),
    Pair("field deleted, name reserved", "int32 a = 2;", "reserved \"a\";", [fieldDeleted]),
    Pair("field deleted, range reserved", "int32 a = 2; int32 b = 7;", "reserved 2 to 9;"),
    Pair("field renumbered", "int32 a = 2;", "int32 a = 3;", [fieldDeleted]),
    Pair("singular to repeated", "int32 a = 2;", "repeated int32 a = 2;", [cardinality]),
    Pair("repeated to singular", "repeated string a = 2;", "string a = 2;", [cardinality]),
    Pair("singular to optional", "int32 a = 2;", "optional int32 a = 2;"),
    Pair("optional to singular", "optional int32 a = 2;", "int32 a = 2;"),
    Pair("map value changed", "map<string, int32> a = 2;", "map<string, string> a = 2;", [type]),
    Pair("map value widened", "map<string, int32> a = 2;", "map<string, int64> a = 2;"),
    Pair("map key changed", "map<int32, string> a = 2;", "map<string, string> a = 2;", [type]),
    Pair(
      "map to singular", "map<string, string> a = 2;", "string a = 2;", [cardinality, type]),
    Pair("map renamed", "map<string, string> a = 2;", "map<string, string> b = 2;", [type]),
    Pair(
      "map to repeated entries", "map<string, string> a = 2;", "repeated X a = 2;",
      types:
        "message X { string key = 1; string value = 2; }\nmessage U { string pk = 1; X x = 2; }",
      [type]),
    Pair("into a oneof", "int32 a = 2;", "oneof o { int32 a = 2; }", [oneof]),
    Pair(
      "out of a oneof", "oneof o { int32 a = 2; int32 b = 3; }",
      "int32 a = 2; oneof o { int32 b = 3; }", [oneof]),
    Pair(
      "into another oneof", "oneof o { int32 a = 2; int32 b = 3; } oneof p { int32 c = 4; }",
      "oneof o { int32 b = 3; } oneof p { int32 c = 4; int32 a = 2; }", [oneof]),
    Pair("oneof renamed", "oneof o { int32 a = 2; }", "oneof q { int32 a = 2; }", [oneof]),
    Pair(
      "member added to a oneof", "oneof o { int32 a = 2; }", "oneof o { int32 a = 2; int32 b = 3; }"
    ),
    Pair("optional into a oneof", "optional int32 a = 2;", "oneof o { int32 a = 2; }", [oneof]),
    Pair("json_name changed", "int32 a = 2;", "int32 a = 2 [json_name = \"z\"];"),
    Pair("packed changed", "repeated int32 a = 2;", "repeated int32 a = 2 [packed = false];"),
  ]

  static let typeChanges: [Pair] = [
    ("int32", "int64", true), ("int32", "uint64", true), ("uint32", "bool", true),
    ("int32", "sint32", false), ("sint32", "sint64", true), ("sint64", "int64", false),
    ("fixed32", "sfixed32", true), ("fixed64", "sfixed64", true), ("fixed32", "fixed64", false),
    ("fixed32", "float", false), ("float", "double", false), ("string", "bytes", true),
    ("bytes", "string", false), ("string", "A", false), ("A", "bytes", false), ("A", "B", false),
  ].map { old, new, isCompatible in
    Pair(
      "\(old) to \(new)", "\(old) a = 2;", "\(new) a = 2;", types: twoMessages,
      isCompatible ? [] : [type])
  }

  static let enumsAndMessages: [Pair] = [
    Pair("enum to int32", "E e = 2; E f = 3;", "int32 e = 2; E f = 3;", types: enumE, [type]),
    Pair("int32 to enum", "int32 e = 2; E f = 3;", "E e = 2; E f = 3;", types: enumE, [type]),
    Pair(
      "enum to a larger enum", "E e = 2;", "F e = 2;",
      types: enumE + "enum F { F_ZERO = 0; F_ONE = 1; F_TWO = 2; }", [type]),
    Pair(
      "enum to a larger one of the same short name", "E e = 2; N n = 3;", "N.E e = 2; N n = 3;",
      types: enumE + "message N { enum E { E_ZERO = 0; E_ONE = 1; E_TWO = 2; } E e = 1; }"),
    Pair(
      "enum to another of the same short name", "E e = 2; N n = 3;", "N.E e = 2; N n = 3;",
      types: enumE + "message N { enum E { E_A = 0; E_B = 1; } E e = 1; }", [type]),
    Pair(
      "enum value added", "E e = 2;", "E e = 2;", types: enumE,
      newTypes: "enum E { E_ZERO = 0; E_ONE = 1; E_TWO = 2; }"),
    Pair(
      "enum value renamed", "E e = 2;", "E e = 2;", types: enumE,
      newTypes: "enum E { E_ZERO = 0; E_UNO = 1; }"),
    Pair(
      "enum value deleted", "E e = 2;", "E e = 2;", types: enumE,
      newTypes: "enum E { E_ZERO = 0; }", [valueDeleted]),
    Pair(
      "enum value deleted, number reserved", "E e = 2;", "E e = 2;", types: enumE,
      newTypes: "enum E { E_ZERO = 0; reserved 1; }"),
    Pair(
      "enum value deleted, alias kept", "E e = 2;", "E e = 2;",
      types: "enum E { option allow_alias = true; Z = 0; A = 1; B = 1; }",
      newTypes: "enum E { Z = 0; B = 1; }"),
    Pair("reserved number given up", "reserved 5;", "", [reservedMessage]),
    Pair("reserved range narrowed", "reserved 5 to 9;", "reserved 5 to 8;", [reservedMessage]),
    Pair("reserved range widened", "reserved 5 to 9;", "reserved 4 to 10;"),
    Pair("reserved range split", "reserved 5 to 9;", "reserved 5, 6 to 9;"),
    Pair("reserved name given up", "reserved \"old\";", "", [reservedMessage]),
    Pair(
      "reserved with two holes", "reserved 10 to max;", "reserved 10 to 20, 22 to 30, 32 to max;",
      [reservedMessage, reservedMessage]),
    Pair(
      "reserved enum numbers and name given up", "E e = 2;", "E e = 2;",
      types: "enum E { Z = 0; reserved -5 to -1, 7, 10 to max; reserved \"X\", \"Y\"; }",
      newTypes: "enum E { Z = 0; reserved -4 to -1, 7, 11 to max; reserved \"Y\"; }",
      [reservedEnum, reservedEnum, reservedEnum]),
    Pair(
      "nested message changed", "N n = 2;", "N n = 2;",
      types: "message N { M m = 1; message M { int32 a = 1; } }",
      newTypes: "message N { M m = 1; message M { string a = 1; } }", [type]),
    Pair(
      "embedded message deleted", "A a = 2;", "reserved 2;", types: "message A { string x = 1; }",
      newTypes: ""),
    Pair(
      "field of an embedded message deleted", "A a = 2;", "A a = 2;",
      types: "message A { string x = 1; string y = 2; }",
      newTypes: "message A { string x = 1; }", [fieldDeleted]),
  ]

  static let proto2: [Pair] = [
    Pair(
      proto2: "default dropped", "optional int32 a = 1 [default = 5];", "optional int32 a = 1;",
      [fieldDefault]),
    Pair(
      proto2: "default kept, widened", "optional int32 a = 1 [default = 5];",
      "optional int64 a = 1 [default = 5];"),
    Pair(
      proto2: "default of 0 dropped", "optional int32 a = 1 [default = 0];", "optional int32 a = 1;"
    ),
    Pair(
      proto2: "default of string kept as bytes",
      #"optional string a = 1 [default = "a\nb\"\001"];"#,
      #"optional bytes a = 1 [default = "a\nb\"\001"];"#),
    Pair(
      proto2: "default of float kept as double", "optional float a = 1 [default = 1.1];",
      "optional double a = 1 [default = 1.1];", [type]),
    Pair(
      proto2: "nan kept, infinity turned",
      "optional double a = 1 [default = nan]; optional double b = 2 [default = -inf];",
      "optional double a = 1 [default = nan]; optional double b = 2 [default = inf];",
      [fieldDefault]),
    Pair(
      proto2: "another first enum value", "enum E { A = 1; B = 2; } optional E a = 1;",
      "enum E { B = 2; A = 1; } optional E a = 1;", [fieldDefault]),
    Pair(
      proto2: "required to optional", "required int32 a = 1;", "optional int32 a = 1;",
      [cardinality, required]),
    Pair(
      proto2: "required added", "optional int32 a = 1;",
      "optional int32 a = 1; required int32 b = 2;", [required]),
    Pair(
      proto2: "required deleted", "optional int32 a = 1; required int32 b = 2;",
      "optional int32 a = 1; reserved 2;", [required]),
    Pair(
      proto2: "group to message", "optional group G = 1 { optional int32 a = 1; }",
      "message G { optional int32 a = 1; } optional G g = 1;", [type]),
    Pair(
      proto2: "extension changed",
      "extensions 100 to 200; extend L { optional int32 x = 100; repeated int32 y = 101; }",
      "extensions 100 to 200; extend L { optional string x = 100; optional int32 y = 101; }",
      [cardinality, type]),
  ]

  private static func compile(_ files: [String: String]) async throws -> CompiledSchema {
    try await SchemaFolder(files).compile()
  }

  @Test(
    "Judges a change by the WIRE rules", arguments: fields + typeChanges + enumsAndMessages + proto2
  )
  func judges(_ pair: Pair) async throws {
    let old = try await Self.compile(pair.old)
    let new = try await Self.compile(pair.new)
    let violations = SchemaCompatibility.violations(old: old, new: new)
    #expect(
      violations.compactMap(\.diagnostic.rule).sorted() == pair.rules.sorted(), "\(violations)")
    #expect(violations.allSatisfy { $0.deletedModel == nil })
    #expect(SchemaCompatibility.violations(old: old, new: old).isEmpty)
    #expect(SchemaCompatibility.violations(old: new, new: new).isEmpty)
  }

  /// Half a second a pair, and buf must be installed.
  @Test(
    "Agrees with buf",
    .enabled(if: ProcessInfo.processInfo.environment["SEANDB_LONG_TESTS"] != nil),
    arguments: fields + typeChanges + enumsAndMessages + proto2)
  func agreesWithBuf(_ pair: Pair) async throws {
    let folder = try SchemaFolder()
    for (name, text) in pair.old { try folder.write("old/\(name)", Array(text.utf8)) }
    for (name, text) in pair.new { try folder.write("new/\(name)", Array(text.utf8)) }
    let configuration = #"{"version":"v2","breaking":{"use":["WIRE"]}}"#
    let arguments = [
      "buf", "breaking", "\(folder.path)/new", "--against", "\(folder.path)/old", "--config",
      configuration, "--against-config", configuration, "--error-format", "json",
    ]
    guard let result = try runProgram(arguments, in: folder.path) else { return }
    try #require(result.code == 0 || result.code == 100, "\(result.output)")
    let rules = try result.output.split(separator: "\n").map { line in
      try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))["type"]?.text ?? ""
    }
    #expect(Set(rules) == Set(pair.rules))
  }

  private struct JSONValue: Decodable {
    let text: String?
    init(from decoder: any Decoder) throws {
      text = try? decoder.singleValueContainer().decode(String.self)
    }
  }

  // MARK: - Models, keys, packages

  static let twoModels =
    "syntax = \"proto3\";\npackage p;\nmessage Dog {\n  string pk = 1;\n  Cat cat = 2;\n}\n"
    + "message Cat {\n  string pk = 1;\n}\n"

  private func violations(_ old: String, _ new: String) async throws -> [SchemaCompatibility
    .Violation]
  {
    let old = try await Self.compile(["schema.proto": old])
    let folder = try SchemaFolder(["schema.proto": new])
    let violations = SchemaCompatibility.violations(old: old, new: try await folder.compile())
    #expect(violations.allSatisfy { $0.diagnostic.file == "\(folder.path)/schema.proto" })
    return violations
  }

  private func summary(_ violation: SchemaCompatibility.Violation) -> String {
    let diagnostic = violation.diagnostic
    return "\(diagnostic.line):\(diagnostic.column) \(diagnostic.rule ?? "")"
      + (violation.deletedModel.map { " \($0)" } ?? "")
  }

  @Test func namesTheModelThatWasDroppedOrRenamedOrLostItsKey() async throws {
    let dropped = Self.twoModels.replacing("  Cat cat = 2;\n", with: "  reserved 2;\n")
      .replacing("message Cat {\n  string pk = 1;\n}\n", with: "")
    #expect(
      try await violations(Self.twoModels, dropped).map(summary) == ["1:1 MODEL_NO_DELETE p.Cat"])
    let renamed = Self.twoModels.replacing("Cat ", with: "Tiger ")
    #expect(
      try await violations(Self.twoModels, renamed).map(summary) == [
        "1:1 MODEL_NO_DELETE p.Cat", "5:3 FIELD_WIRE_COMPATIBLE_TYPE",
      ])
    let embedded = Self.twoModels.replacing(
      "message Cat {\n  string pk = 1;", with: "message Cat {\n  reserved 1;")
    #expect(
      try await violations(Self.twoModels, embedded).map(summary) == ["7:9 MODEL_NO_DELETE p.Cat"])
  }

  @Test func keepsTheNumberOfTheKey() async throws {
    let moved = Self.twoModels.replacing(
      "message Cat {\n  string pk = 1;", with: "message Cat {\n  reserved 1;\n  string pk = 2;")
    #expect(try await violations(Self.twoModels, moved).map(summary) == ["9:3 KEY_SAME_FIELD"])
  }

  @Test func keepsThePackage() async throws {
    let other = Self.twoModels.replacing("package p;", with: "package q;")
    #expect(try await violations(Self.twoModels, other).map(summary) == ["2:1 FILE_SAME_PACKAGE"])
    let bare = Self.twoModels.replacing("package p;\n", with: "")
    let named = Self.twoModels.replacing("package p;", with: "package database;")
    #expect(try await violations(bare, named).isEmpty)
    #expect(try await violations(named, bare).isEmpty)
  }

  @Test func pointsAtTheChangedDeclaration() async throws {
    let old = """
      syntax = "proto3";
      package p;
      message Dog {
        string pk = 1;
        repeated int32 ages = 2;
        map<string, int32> by_name = 3;
        int32 gone = 4;
        Kind kind = 5;
        enum Kind { NONE = 0; BIG = 1; }
      }
      """
    let new = """
      // A line more.
      syntax = "proto3";
      package p;
      message Dog {
        string pk = 1;
        repeated string ages = 2;
        map<string, string> by_name = 3;
        Kind kind = 5;
        enum Kind { NONE = 0; }
      }
      """
    #expect(
      try await violations(old, new).map(\.diagnostic).map {
        "\($0.line):\($0.column) \($0.message)"
      } == [
        "4:9 field `gone` (4) of message p.Dog was deleted: put it back, or add `reserved 4;`",
        "6:12 field `ages` (2) of message p.Dog changed its type from int32 to string: "
          + "change it back, "
          + "or reserve 2 and use a new number",
        "7:3 field `value` (2) of message p.Dog.ByNameEntry changed its type from int32 to string: "
          + "change it back, or reserve 2 and use a new number",
        "9:8 value BIG (1) of enum p.Dog.Kind was deleted: put it back, or add `reserved 1;`",
      ])
  }
}
