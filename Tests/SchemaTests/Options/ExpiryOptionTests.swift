import Schema
import TestSupport
import Testing

@Suite("Expiry in a schema") struct ExpiryOptionTests {
  private static func schema(_ options: String) -> String {
    """
    syntax = "proto3";
    import "seandb/options.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/duration.proto";
    message Session {
      option (seandb.model) = {\(options)};
      string pk = 1;
      google.protobuf.Timestamp ends = 2;
      optional int64 until = 3;
      string user = 4;
      repeated int64 times = 5;
      google.protobuf.Duration length = 6;
      Part part = 7;
      oneof when { fixed32 soon = 8; }
      map<string, int64> ages = 9;
      enum Kind { NONE = 0; }
      Kind kind = 10;
      double score = 11;
    }
    message Part { int64 seconds = 1; }
    """
  }

  private static func compile(_ text: String) async throws -> CompiledSchema {
    let folder = try TemporaryFolder()
    return try await SchemaCompiler(includeDirectories: []).compile(
      try folder.write("schema.proto", text))
  }

  @Test(arguments: ["ends", "until", "soon"])
  func isAFieldOfTheModel(_ field: String) async throws {
    let schema = try await Self.compile(Self.schema("expires: \"\(field)\""))
    let model = schema.models[0]
    #expect(model.expiry?.name == field)
    #expect(model.indexes.isEmpty && model.storedIndexes.map(\.isExpiry) == [true])
    #expect(schema.hasOptions)
    let loaded = try schema.serialized().withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models)
    // Nothing is generated for it.
    let plain = try await Self.compile(Self.schema("plural: \"Sessions\""))
    #expect(
      schema.databaseProto.replacing("expires: \"\(field)\"", with: "plural: \"Sessions\"")
        == plain.databaseProto)
  }

  static let problems = [
    ("gone", "names `gone`, and message Session has no such field"),
    ("user", "names `user` of type string: take a google.protobuf.Timestamp, or an integer"),
    ("times", "names `times`, which is repeated: a record ends once"),
    ("length", "names `length` of type google.protobuf.Duration: take a google.protobuf.Timestamp"),
    ("part.seconds", "names `part.seconds`: name a field of the model itself"),
    ("part", "names `part` of type "),
    ("ages", "names `ages`, which is a map"),
    ("kind", "names `kind` of type "),
    ("score", "names `score` of type double: take a google.protobuf.Timestamp"),
    ("-ends", "names `-ends`, and message Session has no such field"),
  ]

  @Test(arguments: problems)
  func saysWhyAFieldCannotBe(_ field: String, _ problem: String) async throws {
    do {
      _ = try await Self.compile(Self.schema("expires: \"\(field)\""))
      Issue.record("it compiled")
    } catch {
      #expect(
        "\(error)".contains("schema.proto:6:3: expires of model Session \(problem)"), "\(error)")
    }
  }

  @Test func isOfAModel() async throws {
    let text = """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { string pk = 1; Part part = 2; }
      message Part { option (seandb.model) = {expires: "at"}; int64 at = 1; }
      """
    do {
      _ = try await Self.compile(text)
      Issue.record("it compiled")
    } catch {
      #expect("\(error)".contains("message Part has `expires` in its option and is no model"))
    }
  }

  /// Whether a record has ended is seen in an entry that answers without it.
  @Test(arguments: [
    ("user", ["ends", "user"]), ("user, ends", ["ends", "user"]), ("*", nil), ("", nil),
  ])
  func isIncludedInEntries(_ include: String, _ fields: [String]?) async throws {
    let schema = try await Self.compile(
      Self.schema("expires: \"ends\", index: {fields: \"until\", include: \"\(include)\"}"))
    guard case .paths(let paths) = schema.models[0].indexes[0].inclusion else {
      #expect(fields == nil)
      return
    }
    #expect(paths.map(\.name) == fields)
  }

  @Test(arguments: [
    (
      "plural: \"Sessions\"", "expires: \"ends\"",
      "end by `ends` now: those whose time has passed are deleted"
    ),
    ("expires: \"ends\"", "plural: \"Sessions\"", "ended by `ends`, and do not end any more"),
    ("expires: \"ends\"", "expires: \"until\"", "ended by `ends`, and end by `until` now"),
  ])
  func warnsWhenItChanges(_ old: String, _ new: String, _ warning: String) async throws {
    let (old, new) = (
      try await Self.compile(Self.schema(old)), try await Self.compile(Self.schema(new))
    )
    #expect(SchemaCompatibility.violations(old: old, new: new).isEmpty)
    let warnings = SchemaCompatibility.warnings(old: old, new: new)
    #expect(warnings.count == 1 && warnings[0].message.contains(warning), "\(warnings)")
    #expect(SchemaCompatibility.warnings(old: new, new: new).isEmpty)
  }
}
