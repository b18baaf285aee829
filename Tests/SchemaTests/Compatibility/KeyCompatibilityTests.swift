import Schema
import Testing

@Suite("Compatibility of keys") struct KeyCompatibilityTests {
  private static func schema(_ key: String, _ fields: String) throws -> SchemaFolder {
    try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      package p;
      import "seandb/options.proto";
      message Visit {
        option (seandb.model) = {key: "\(key)"};
        \(fields)
      }
      enum E { ZERO = 0; }
      """
    ])
  }

  @Test(arguments: [
    ("a", "int32 a = 1;", "a", "int64 a = 1;", []),
    ("a", "uint32 a = 1;", "a", "uint64 a = 1;", []),
    ("a", "uint32 a = 1;", "a", "int64 a = 1;", []),
    ("a", "sint32 a = 1;", "a", "sint64 a = 1;", []),
    ("a", "string a = 1;", "a", "bytes a = 1;", []),
    ("a", "int32 a = 1;", "b", "int32 b = 1;", []),
    ("a", "int64 a = 1;", "a", "int32 a = 1;", ["KEY_SAME_TYPE"]),
    ("a", "int32 a = 1;", "a", "uint32 a = 1;", ["KEY_SAME_TYPE"]),
    ("a", "bool a = 1;", "a", "int32 a = 1;", ["KEY_SAME_TYPE"]),
    ("a", "fixed32 a = 1;", "a", "sfixed32 a = 1;", ["KEY_SAME_TYPE"]),
    (
      "a, b", "int32 a = 1; int32 b = 2;", "b, a", "int32 a = 1; int32 b = 2;", ["KEY_SAME_COLUMNS"]
    ),
    ("a, b", "int32 a = 1; int32 b = 2;", "a", "int32 a = 1; int32 b = 2;", ["KEY_SAME_COLUMNS"]),
    ("a", "int32 a = 1;", "-a", "int32 a = 1;", ["KEY_SAME_COLUMNS"]),
    ("a", "string a = 1;", "-a", "string a = 1;", ["KEY_SAME_COLUMNS"]),
    ("a", "int32 a = 1; int32 b = 2;", "b", "int32 a = 1; int32 b = 2;", ["KEY_SAME_COLUMNS"]),
    ("a", "string a = 1; string b = 2;", "b", "string a = 1; string b = 2;", ["KEY_SAME_FIELD"]),
    ("a", "int32 a = 1;", "a", "optional int32 a = 1;", ["KEY_SAME_PRESENCE"]),
    ("a", "optional int32 a = 1;", "a", "int32 a = 1;", ["KEY_SAME_PRESENCE"]),
  ]) func judgesAChangeOfTheKey(
    _ old: String, _ oldFields: String, _ new: String, _ newFields: String, _ rules: [String]
  ) async throws {
    let first = try await Self.schema(old, oldFields).compile()
    let second = try await Self.schema(new, newFields).compile()
    let found = SchemaCompatibility.violations(old: first, new: second)
    #expect(found.map(\.diagnostic.rule) == rules)
    #expect(SchemaCompatibility.violations(old: first, new: first).isEmpty)
  }
}
