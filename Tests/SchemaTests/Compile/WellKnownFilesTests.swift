import Schema
import Testing

@Suite("Well-known files")
struct WellKnownFilesTests {
  static let head = "syntax = \"proto3\";\npackage p;\n"

  /// What protoc's own file says, with other comments and options, or something else.
  private func duration(_ fields: String) -> String {
    "// A copy.\nsyntax = \"proto3\";\npackage google.protobuf;\noption go_package = \"mine\";\n"
      + "message Duration {\n  int64 seconds = 1;\n  \(fields)\n}\n"
  }

  private func compile(
    _ imported: String, _ text: String, type: String
  ) async throws -> CompiledSchema {
    try await SchemaFolder([
      "schema.proto": Self.head
        + "import \"\(imported)\";\nmessage Dog { string pk = 1; \(type) a = 2; }\n",
      imported: text,
    ]).compile()
  }

  @Test(
    "Keeps the user's files below google/protobuf",
    arguments: ["google/protobuf/acme.proto", "google/protobuf/go_features.proto"])
  func keeps(_ path: String) async throws {
    func text(_ type: String) -> String {
      Self.head.replacing("package p;", with: "package acme;")
        + "message A { \(type) x = 1; string pk = 2; }\n"
    }
    let old = try await compile(path, text("int32"), type: "acme.A")
    #expect(old.importedFiles.map(\.path) == [path])
    #expect(old.notes.count == 1)
    let new = try await compile(path, text("string"), type: "acme.A")
    let violations = SchemaCompatibility.violations(old: old, new: new)
    #expect(
      violations.map { "\($0.diagnostic)".prefix { $0 != " " } } == ["\(path):3:13:"],
      "\(violations)")
  }

  @Test func leavesOutACopyThatSaysWhatProtocsOwnDoes() async throws {
    let path = "google/protobuf/duration.proto"
    let schema = try await compile(
      path, duration("int32 nanos = 2;"), type: "google.protobuf.Duration")
    #expect(schema.importedFiles.isEmpty)
    #expect(
      schema.files.map(\.name) == [path, "google/protobuf/field_mask.proto", "database.proto"])
  }

  @Test func keepsAndChecksACopyThatSaysSomethingElse() async throws {
    let path = "google/protobuf/duration.proto"
    let known = try await compile(
      path, duration("int32 nanos = 2;"), type: "google.protobuf.Duration")
    let longer = try await compile(
      path, duration("int32 nanos = 2; int32 more = 3;"), type: "google.protobuf.Duration")
    let other = try await compile(
      path, duration("string nanos = 2;"), type: "google.protobuf.Duration")
    #expect(longer.importedFiles.map(\.path) == [path])
    #expect(SchemaCompatibility.violations(old: known, new: longer).isEmpty)
    for (old, new) in [(known, other), (longer, other), (other, known)] {
      let rules = SchemaCompatibility.violations(old: old, new: new).map(\.diagnostic.rule)
      #expect(rules.contains("FIELD_WIRE_COMPATIBLE_TYPE"))
    }
  }

  /// A tree that carries a descriptor.proto along for its options may take protoc's own any time.
  @Test func comparesOnlyWhatRecordsCanHold() async throws {
    let path = "google/protobuf/descriptor.proto"
    func schema(_ type: String, _ field: String) async throws -> CompiledSchema {
      try await compile(
        path,
        "syntax = \"proto2\";\npackage google.protobuf;\nmessage \(type) { \(field) }\n"
          + "message FileOptions { optional string more = 900; extensions 1000 to max; "
          // What the file of FieldMask says of itself.
          + "optional string java_package = 1; optional string java_outer_classname = 8; "
          + "optional bool java_multiple_files = 10; optional string go_package = 11; "
          + "optional bool cc_enable_arenas = 31; optional string objc_class_prefix = 36; "
          + "optional string csharp_namespace = 37; }\n",
        type: "google.protobuf.\(type)")
    }
    let unused = try await schema("Other", "optional int32 x = 1;")
    let used = try await schema("UninterpretedOption", "optional int32 identifier_value = 3;")
    let known = try await SchemaFolder([
      "schema.proto": Self.head + "import \"\(path)\";\nmessage Dog { string pk = 1; "
        + "google.protobuf.UninterpretedOption a = 2; }\n"
    ]).compile()
    #expect(unused.importedFiles.map(\.path) == [path])
    #expect(
      Set(SchemaCompatibility.violations(old: unused, new: known).map(\.diagnostic.rule))
        == ["FIELD_WIRE_COMPATIBLE_TYPE"])
    #expect(
      Set(SchemaCompatibility.violations(old: used, new: known).map(\.diagnostic.rule))
        == ["FIELD_WIRE_COMPATIBLE_TYPE"])
    #expect(
      SchemaCompatibility.violations(old: known, new: used).contains {
        "\($0.diagnostic)".contains("UninterpretedOption was deleted")
      })
    #expect(
      !SchemaCompatibility.violations(old: known, new: used).contains {
        "\($0.diagnostic)".contains("Options")
      })
  }
}
