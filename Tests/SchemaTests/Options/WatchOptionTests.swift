import Schema
import TestSupport
import Testing

@Suite("Watch in a schema") struct WatchOptionTests {
  private static func schema(_ options: String, name: String = "Dog") -> String {
    """
    syntax = "proto3";
    package zoo;
    import "seandb/options.proto";
    message \(name) {
      option (seandb.model) = {\(options)};
      string pk = 1;
      string breed = 2;
    }
    """
  }

  private static func compile(_ text: String) async throws -> CompiledSchema {
    let folder = try TemporaryFolder()
    return try await SchemaCompiler(includeDirectories: []).compile(
      try folder.write("schema.proto", text))
  }

  @Test(arguments: [
    ("watch: {}", false, false, 1 << 30, 24),
    ("watch: {keys_only: true}", true, false, 1 << 30, 24),
    ("watch: {with_old: true keep_bytes: 65536 keep_hours: 1}", false, true, 65536, 1),
  ])
  func saysWhatIsKept(
    _ options: String, _ isKeysOnly: Bool, _ hasOld: Bool, _ bytes: UInt64, _ hours: UInt64
  ) async throws {
    let schema = try await Self.compile(Self.schema(options))
    let watch = try #require(schema.models[0].watch)
    #expect(watch.isKeysOnly == isKeysOnly && watch.hasOld == hasOld)
    #expect(watch.keptBytes == bytes && watch.keptHours == hours)
    let loaded = try schema.serialized().withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models && loaded.hasOptions)
    let text = schema.databaseProto
    #expect(text.contains("rpc WatchDogs(Dogs.Watch) returns (stream Dogs.Changes) {"))
    #expect(text.contains("bool with_old = 4;") == hasOld)
    #expect(text.contains("Dog old = 4;") == hasOld)
    #expect(text.contains("Dog record = 3;") == !isKeysOnly)
  }

  @Test func isNotThereWithoutTheOption() async throws {
    let schema = try await Self.compile(Self.schema("plural: \"Dogs\""))
    #expect(schema.models[0].watch == nil && !schema.databaseProto.contains("Watch"))
  }

  @Test func asksForKeysAsTheModelHasThem() async throws {
    let plain = try await Self.compile(Self.schema("watch: {}"))
    #expect(plain.databaseProto.contains(".zoo.IndexQuery pk = 3;"))
    let columns = try await Self.compile(Self.schema("watch: {} key: \"breed, pk\""))
    #expect(columns.databaseProto.contains("    ByPk pk = 3;"))
  }

  static let problems = [
    ("watch: {keys_only: true with_old: true}", "Dog", "has keys_only and with_old"),
    ("watch: {keep_bytes: 1000}", "Dog", "has keep_bytes 1000: keep at least 65536"),
    ("watch: {keep_hours: 1000000}", "Dog", "has keep_hours 1000000: keep at most"),
    ("watch: {}", "Change", "has a message Changes in the list message, which is called so"),
  ]

  @Test(arguments: problems)
  func saysWhyItCannotBe(_ options: String, _ name: String, _ problem: String) async throws {
    do {
      _ = try await Self.compile(Self.schema(options, name: name))
      Issue.record("it compiled")
    } catch {
      #expect("\(error)".contains("watch of model \(name) \(problem)"), "\(error)")
    }
  }

  @Test func isOfAModelAndHasAMethodOfItsOwn() async throws {
    let others = [
      (
        "message Part { option (seandb.model) = {watch: {}}; }",
        "message Part has `watch` in its option and is no model"
      ),
      ("message WatchDog { option (seandb.model) = {plural: \"WatchDogs\"}; string pk = 1; }", ""),
    ]
    for (other, problem) in others {
      let text = Self.schema("watch: {}").replacing(
        "breed = 2;", with: "breed = 2; \(problem.isEmpty ? "" : "Part part = 3;")")
      do {
        _ = try await Self.compile(text + other)
        #expect(problem.isEmpty)
      } catch {
        #expect(!problem.isEmpty && "\(error)".contains(problem), "\(error)")
      }
    }
  }

  @Test func warnsWhenChangesGo() async throws {
    let (old, new) = (
      try await Self.compile(Self.schema("watch: {}")),
      try await Self.compile(Self.schema("plural: \"Dogs\""))
    )
    #expect(SchemaCompatibility.violations(old: old, new: new).isEmpty)
    let warnings = SchemaCompatibility.warnings(old: old, new: new).map(\.message)
    #expect(
      warnings.count == 1 && warnings[0].hasPrefix("changes of model Dog are not kept any more"))
    #expect(SchemaCompatibility.warnings(old: new, new: old).isEmpty)
  }
}
