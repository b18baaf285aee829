import Schema
import Testing

@Suite("Compatibility warnings")
struct CompatibilityWarningTests {
  private func warnings(_ old: String, _ new: String) async throws -> [String] {
    func text(_ fields: String) -> String {
      "syntax = \"proto3\";\npackage p;\nmessage Dog {\n  string pk = 1;\n  \(fields)\n}\n"
    }
    let old = try await compile(text(old))
    let new = try await compile(text(new))
    #expect(SchemaCompatibility.violations(old: old, new: new).isEmpty)
    #expect(SchemaCompatibility.warnings(old: new, new: new).isEmpty)
    return SchemaCompatibility.warnings(old: old, new: new).map {
      "\($0.line):\($0.column): \($0.message)"
    }
  }

  /// What is lost, for each pair of types; empty when nothing is.
  static let types: [(old: String, new: String, loss: String)] = [
    ("uint32", "bool", "every value but 0 is read as true"),
    ("int64", "bool", "every value but 0 is read as true"), ("bool", "uint32", ""),
    ("int32", "int64", ""), ("uint32", "int64", ""), ("uint32", "uint64", ""),
    ("int64", "int32", "values of more than 32 bits are cut off"),
    ("uint64", "int32", "values of more than 32 bits are cut off"),
    ("sint64", "sint32", "values of more than 32 bits are cut off"), ("sint32", "sint64", ""),
    ("int32", "uint32", "negative values are read as large ones"),
    ("int32", "uint64", "negative values are read as large ones"),
    (
      "int64", "uint32",
      "values of more than 32 bits are cut off, negative values are read as large ones"
    ), ("uint32", "int32", "large values are read as negative ones"),
    ("fixed64", "sfixed64", "large values are read as negative ones"),
    ("sfixed32", "fixed32", "negative values are read as large ones"),
    ("string", "bytes", "clients with the old schema cannot read values that are not UTF-8"),
    ("string", "string", ""),
  ]

  @Test("Says what a type does to values", arguments: types)
  func judges(_ old: String, _ new: String, _ loss: String) async throws {
    let change = "changed its type from \(old) to \(new): \(loss)"
    let expected =
      loss.isEmpty ? [] : ["5:3: field `a` (2) of message p.Dog \(change)"]
    #expect(try await warnings("\(old) a = 2;", "\(new) a = 2;") == expected)
    let repeated = try await warnings("repeated \(old) a = 2;", "repeated \(new) a = 2;")
    #expect(repeated.count == expected.count)
    let map = try await warnings("map<int32, \(old)> a = 2;", "map<int32, \(new)> a = 2;")
    #expect(map.count == expected.count)
  }

  @Test func namesWhatIsCalledOtherwise() async throws {
    #expect(
      try await warnings("int32 age = 2;", "int32 weight = 2;") == [
        "5:9: field `weight` (2) of message p.Dog was called `age`: if it means something else now, "
          + "reserve 2 and use a new number; JSON and text formats have the new name"
      ])
    #expect(
      try await warnings("enum E { A = 0; B = 1; } E e = 2;", "enum E { A = 0; C = 1; } E e = 2;")
        == [
          "5:19: value C (1) of enum p.Dog.E was called B: if it means something else now, reserve 1 "
            + "and use a new number"
        ])
    #expect(
      try await warnings(
        "enum E { A = 0; } E e = 2;",
        "enum E { option allow_alias = true; X = 0; A = 0; B = 1; } E e = 2;"
      ).isEmpty)
  }

  @Test func saysThatPresenceIsNotSeenAnyMore() async throws {
    #expect(try await warnings("optional int32 a = 2;", "int32 a = 2;").count == 1)
    #expect(try await warnings("int32 a = 2;", "optional int32 a = 2;").isEmpty)
    #expect(try await warnings("optional int32 a = 2;", "optional int32 a = 2;").isEmpty)
  }
}
