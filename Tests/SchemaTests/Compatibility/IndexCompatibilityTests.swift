import Schema
import Testing

@Suite("Compatibility of indexes") struct IndexCompatibilityTests {
  private static func schema(_ option: String) async throws -> CompiledSchema {
    try await compile(
      """
      syntax = "proto3";
      package p;
      import "seandb/options.proto";
      message Visit {
        \(option)
        string pk = 1;
        string tenant = 2;
        int64 created = 3;
      }
      """)
  }

  /// An index comes, goes and changes: no stored record means anything else.
  @Test(arguments: [
    ("", "option (seandb.model) = {index: {fields: \"tenant\"}};"),
    (
      "option (seandb.model) = {index: {fields: \"tenant\"}};",
      "option (seandb.model) = {index: {fields: \"-tenant, created\" unique: true include: \"*\"}};"
    ),
    (
      "option (seandb.model) = {index: {fields: \"tenant\" name: \"a\"}};",
      "option (seandb.model) = {index: {fields: \"tenant\" name: \"b\" sparse: true}};"
    ),
  ]) func allowsEveryChange(_ first: String, _ second: String) async throws {
    let schemas = [try await Self.schema(first), try await Self.schema(second)]
    #expect(schemas[0].models != schemas[1].models)
    for (old, new) in [(schemas[0], schemas[1]), (schemas[1], schemas[0])] {
      #expect(SchemaCompatibility.violations(old: old, new: new).isEmpty)
      #expect(SchemaCompatibility.warnings(old: old, new: new).isEmpty)
      #expect(SchemaCompatibility.isSame(old, new))
    }
  }
}
