import Schema
import Testing

@Suite("Database name")
struct DatabaseNameTests {
  @Test(arguments: [
    ("database", "database.proto", "Database"), ("clinic", "clinic.proto", "Clinic"),
    ("pet_clinic", "pet_clinic.proto", "PetClinic"), ("a1_2b", "a1_2b.proto", "A12b"),
    ("x", "x.proto", "X"),
  ])
  func namesFileAndService(_ text: String, file: String, service: String) throws {
    let name = try #require(DatabaseName(text))
    #expect(name.file == file)
    #expect(name.service == service)
    #expect(name.defaultPackage == text)
  }

  @Test(arguments: [
    "", "Clinic", "1st", "_x", "pet-clinic", "pet.clinic", "a/b", "größe", " a", "a\n",
    String(repeating: "a", count: 65),
  ])
  func refuses(_ text: String) {
    #expect(DatabaseName(text) == nil)
  }

  private static let packageless =
    "syntax = \"proto3\";\nmessage Dog { string pk = 1; .Dog next = 2; }\n"

  @Test func namesFilePackageAndServiceOfASchemaWithoutAPackage() async throws {
    let folder = try SchemaFolder(["schema.proto": Self.packageless])
    let name = try #require(DatabaseName("pet_clinic"))
    let schema = try await folder.compile(databaseName: name)
    #expect(schema.serviceName == "pet_clinic.PetClinic")
    #expect(schema.files.last?.name == "pet_clinic.proto")
    #expect(schema.models.map(\.fullName) == ["pet_clinic.Dog"])
    #expect(schema.databaseProto.contains("\npackage pet_clinic;\n"))
    #expect(schema.databaseProto.contains(".pet_clinic.Dog next"))
    #expect(schema.databaseProto.contains("service PetClinic {"))
    #expect(schema.databaseProto.contains("`seandb create --name pet_clinic` again"))
    try SchemaWriter.write(schema, into: "\(folder.path)/out")
    #expect(try folder.fileNames(below: "out/") == ["out/pet_clinic.proto"])
  }

  @Test func leavesAPackageOfTheSchemasOwn() async throws {
    let folder = try SchemaFolder(["schema.proto": seedSchema])
    let schema = try await folder.compile(databaseName: #require(DatabaseName("clinic")))
    #expect(schema.serviceName == "database.Clinic")
    #expect(schema.models.map(\.fullName) == ["database.Dog"])
  }

  @Test func isKeptByTheCompiledForm() async throws {
    let folder = try SchemaFolder(["schema.proto": Self.packageless])
    let schema = try await folder.compile(databaseName: #require(DatabaseName("clinic")))
    let loaded = try schema.serialized().withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.databaseName == schema.databaseName)
    #expect(loaded.serviceName == "clinic.Clinic")
  }

  @Test func theStandardNameChangesNothing() async throws {
    let folder = try SchemaFolder(["schema.proto": Self.packageless])
    let given = try await folder.compile(databaseName: #require(DatabaseName("database")))
    #expect(try await folder.compile().serialized() == given.serialized())
  }

  @Test(arguments: [
    ("dog", "message Dog", 2), ("dogs", "message Dogs", 2), ("empty", "message Empty", 1),
    ("index_query", "message IndexQuery", 1),
  ])
  func refusesAServiceThatIsCalledLikeAMessage(_ text: String, words: String, line: Int)
    async throws
  {
    let folder = try SchemaFolder(["schema.proto": Self.packageless])
    do {
      _ = try await folder.compile(databaseName: #require(DatabaseName(text)))
      Issue.record("\(text) was taken")
    } catch SchemaError.invalid(let diagnostics) {
      #expect(diagnostics.map(\.line) == [line])
      #expect(
        diagnostics.allSatisfy { $0.message.contains(words) && $0.message.contains("service") })
    }
  }

  @Test func anotherPackageByAnotherNameIsABreakAndAnotherServiceIsNone() async throws {
    let other = try #require(DatabaseName("clinic"))
    let packageless = try SchemaFolder(["schema.proto": Self.packageless])
    let violations = SchemaCompatibility.violations(
      old: try await packageless.compile(), new: try await packageless.compile(databaseName: other))
    #expect(violations.compactMap(\.diagnostic.rule).contains("FILE_SAME_PACKAGE"))
    let named = try SchemaFolder(["schema.proto": seedSchema])
    #expect(
      SchemaCompatibility.violations(
        old: try await named.compile(), new: try await named.compile(databaseName: other)
      ).isEmpty)
  }

  @Test(arguments: ["clinic.proto", "clinic.proto/x.proto"])
  func refusesAnImportInTheGeneratedFilesPlace(_ path: String) async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"\(path)\";\n"
        + "message Dog { string pk = 1; B b = 2; }\n",
      path: "syntax = \"proto3\";\npackage p;\nmessage B {}\n",
    ])
    _ = try await folder.compile()
    do {
      _ = try await folder.compile(databaseName: #require(DatabaseName("clinic")))
      Issue.record("\(path) was taken")
    } catch SchemaError.invalid(let diagnostics) {
      #expect(diagnostics.map(\.line) == [3])
      #expect(diagnostics.allSatisfy { $0.message.contains("clinic.proto") })
    }
  }
}
