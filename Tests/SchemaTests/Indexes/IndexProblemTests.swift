import Schema
import Testing

@Suite("Indexes that cannot be made") struct IndexProblemTests {
  /// What is wrong with an index of `Dog`, whose option is in line 8.
  @Test(arguments: [
    ("", "names no field: name one or more, with commas between them"),
    (" ", "names no field: name one or more, with commas between them"),
    ("age,", "has an empty name: write fields with one comma between them"),
    ("-", "has an empty name: write fields with one comma between them"),
    (
      "nobody",
      "names `nobody`, and message Dog has no such field: name its fields as the message does"
    ),
    ("Age", "names `Age`, and message Dog has no such field: is `age` meant?"),
    (
      "address.cty",
      "names `address.cty`, and message Address has no field `cty`: name its fields as the message does"
    ),
    (
      "address.City",
      "names `address.City`, and message Address has no field `City`: is `city` meant?"
    ),
    ("address.", "names `address.`: write one dot between a field and a field in its message"),
    (
      "address..city",
      "names `address..city`: write one dot between a field and a field in its message"
    ),
    (
      "breed.length",
      "names `breed.length`, and `breed` of type string has no fields: end the path there"
    ),
    (
      "born.seconds",
      "names `born.seconds`, which is a part of a google.protobuf.Timestamp: name `born`"
    ),
    (
      "address",
      "names `address` of type p.Address, which has no place in an index: name a field of it, with a dot, as in `address.city`"
    ),
    (
      "labels",
      "names `labels` of type p.Label, which has no place in an index: name a field of it, with a dot, as in `labels.key`"
    ),
    (
      "notes",
      "names `notes`, which is a map: an index has no place for it; use a repeated message with a key and a value"
    ),
    (
      "notes.key",
      "names `notes.key`, and `notes` is a map: an index has no place for it; use a repeated message with a key and a value"
    ),
    (
      "part.size.width",
      "names `part.size.width`, and `part.size` is a group: an index has no place for it; use a message"
    ),
    ("age, -age", "names field `age` twice: name it once"),
    ("address.city, address.city", "names field `address.city` twice: name it once"),
    ("order", "names field `order`, which every query has for itself: give the field another name"),
    (
      "page.size",
      "names `page.size`, which is `page_size` in a query, and every query has that for itself: give a field on its way another name"
    ),
    (
      "address.city, address_city",
      "names `address.city` and `address_city`, which are both `address_city` in a query: give one of the fields another name"
    ),
    (
      "addressStreet, address.street",
      "names `addressStreet` and `address.street`, which are alike but for case and underscores in a query: give one of the fields another name"
    ),
    (
      "tags, age, labels.key",
      "has two repeated fields, `tags` and `labels`: an index has the elements of one; make an index for each"
    ),
    (
      "labels.inner.key",
      "names `labels.inner.key`, which passes two repeated fields, `labels` and `labels.inner`: an index has the elements of one; name a field with one on its way"
    ),
  ]) func saysWhatIsWrongWithTheFields(_ fields: String, _ problem: String) async throws {
    let found = try await IndexDefinitionTests.folder("index: {fields: \"\(fields)\"}").violations()
    #expect(found.map(\.message) == ["the index on \"\(fields)\" of model Dog \(problem)"])
    #expect(found.map(\.line) == [8] && found.map(\.column) == [3])
    // Called by its name when it has one.
    let named = try await IndexDefinitionTests.folder(
      "index: {fields: \"\(fields)\" name: \"mine\"}"
    ).violations()
    #expect(named.map(\.message) == ["index mine of model Dog \(problem)"])
  }

  @Test(arguments: [
    (
      "breed,", "has an empty name among what it includes: write fields with one comma between them"
    ),
    (
      "nobody",
      "includes `nobody`, and message Dog has no such field: name its fields as the message does"
    ),
    (
      "address.City",
      "includes `address.City`, and message Address has no field `City`: is `city` meant?"
    ),
    ("labels.key", "includes `labels.key`, and `labels` is repeated: include it as a whole"),
    ("notes.key", "includes `notes.key`, and `notes` is a map: include it as a whole"),
    ("tags.length", "includes `tags.length`, and `tags` is repeated: include it as a whole"),
    (
      "breed.length",
      "includes `breed.length`, and `breed` of type string has no fields: end the path there"
    ),
    (".breed", "includes `.breed`: write one dot between a field and a field in its message"),
    ("*, breed", "includes `*` beside other fields: write `*` alone for the whole record"),
  ]) func saysWhatIsWrongWithWhatItIncludes(_ include: String, _ problem: String) async throws {
    let found = try await IndexDefinitionTests.folder(
      "index: {fields: \"age\" include: \"\(include)\"}"
    ).violations()
    #expect(found.map(\.message) == ["the index on \"age\" of model Dog \(problem)"])
    #expect(found.map(\.line) == [8] && found.map(\.column) == [3])
  }

  private static let long = String(repeating: "a", count: 256)

  @Test(arguments: [
    ("2nd", "has the name \"2nd\": write letters, digits and _, a letter first, at most 255"),
    ("a-b", "has the name \"a-b\": write letters, digits and _, a letter first, at most 255"),
    ("_", "has the name \"_\": write letters, digits and _, a letter first, at most 255"),
    ("é", "has the name \"é\": write letters, digits and _, a letter first, at most 255"),
    (
      long,
      "has the name \"\(long.prefix(40))\": write letters, digits and _, a letter first, at most 255"
    ),
  ]) func refusesAName(_ name: String, _ problem: String) async throws {
    let found = try await IndexDefinitionTests.folder(
      "index: {fields: \"age\" name: \"\(name)\"}"
    ).violations()
    #expect(found.map(\.message) == ["the index on \"age\" of model Dog \(problem)"])
    #expect(found.map(\.line) == [8])
  }

  @Test func refusesANameMadeOfFieldsThatIsNone() async throws {
    let found = try await SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
        string pk = 1;
        string _age = 2 [(seandb.field).index = true];
      }
      """
    ]).violations()
    #expect(
      found.map(\.message) == [
        "the index on \"_age\" of model Dog would be called \"_age\", which is no name: give it one of letters, digits "
          + "and _, a letter first, at most 255"
      ])
    #expect(found.map(\.line) == [5])
  }

  @Test(arguments: ["pk", "Pk", "pk_"]) func keepsTheNameOfTheKeysQueries(_ name: String)
    async throws
  {
    let found = try await IndexDefinitionTests.folder(
      "index: {fields: \"age\" name: \"\(name)\"}", in: "key: \"breed\""
    ).violations()
    #expect(
      found.map(\.message) == [
        "index \(name) of model Dog would be called \(name), and its queries ByPk, as those by the key are: give it "
          + "another name"
      ])
  }

  @Test func allowsFifteenColumnsAndSixtyFourIndexes() async throws {
    func violations(columns: Int, indexes: Int) async throws -> [Diagnostic] {
      let fields = (1...columns).map { "f\($0)" }
      let text = (1...indexes).map {
        "  option (seandb.model).index = {fields: \"\(fields.joined(separator: ", "))\" name: \"i\($0)\" "
          + "include: \"o\($0)\"};\n"
      }
      return try await SchemaFolder([
        "schema.proto": "syntax = \"proto3\";\nimport \"seandb/options.proto\";\nmessage Dog {\n"
          + text.joined() + "  string pk = 1;\n"
          + fields.enumerated().map { "  int32 \($1) = \($0 + 2);\n" }.joined()
          + (1...indexes).map { "  int32 o\($0) = \($0 + 100);\n" }.joined() + "}\n"
      ]).violations()
    }
    #expect(try await violations(columns: 15, indexes: 64).isEmpty)
    #expect(
      try await violations(columns: 16, indexes: 1).map(\.message) == [
        "index i1 of model Dog has 16 fields, and at most 15 are allowed: leave some out"
      ])
    #expect(
      try await violations(columns: 1, indexes: 65).map(\.message) == [
        "model Dog has 65 indexes, and at most 64 are allowed: leave some out"
      ])
  }

  // MARK: - Clashes

  /// Two indexes of one model, the second one in line 5.
  @Test(arguments: [
    (
      "fields: \"a\"", "fields: \"-a\"",
      "index a of model Dog and index a (SCHEMA:4:3) have the same method, GetDogsByA: give one of them another name"
    ),
    (
      "fields: \"a\" name: \"a_b\"", "fields: \"b\" name: \"aB\"",
      "index aB of model Dog and index a_b (SCHEMA:4:3) have the same method, GetDogsByAB: give one of them another name"
    ),
    (
      "fields: \"a\"", "fields: \"a\"",
      "index a of model Dog is the same as index a (SCHEMA:4:3): leave one of them out"
    ),
    (
      "fields: \"a\" include: \"b\"", "fields: \"a\" include: \"b, pk\" name: \"other\"",
      "index other of model Dog is the same as index a (SCHEMA:4:3): leave one of them out"
    ),
  ]) func namesBothIndexesThatClash(_ first: String, _ second: String, _ problem: String)
    async throws
  {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
        option (seandb.model).index = {\(first)};
        option (seandb.model).index = {\(second)};
        string pk = 1;
        string a = 2;
        string b = 3;
      }
      """
    ])
    let found = try await folder.violations()
    let path = "\(folder.path)/schema.proto"
    #expect(
      found.map(\.message) == [problem.replacing("SCHEMA", with: path)])
    #expect(found.allSatisfy { $0.line == 5 && $0.column == 3 })
  }

  @Test func namesAFieldsIndexThatClashesWithTheModels() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
        option (seandb.model) = {index: {fields: "a, b" name: "b"}};
        string pk = 1;
        string a = 2;
        string b = 3 [(seandb.field) = {index: true}];
      }
      """
    ])
    let found = try await folder.violations()
    #expect(
      found.map(\.message) == [
        "index b of model Dog and index b (\(folder.path)/schema.proto:4:3) have the same method, GetDogsByB: give one "
          + "of them another name"
      ])
    #expect(found.map(\.line) == [7] && found.map(\.column) == [17])
  }

  @Test func namesMethodsThatMeet() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { string pk = 1; string age = 2 [(seandb.field).index = true]; }
      message DogsByAge { string pk = 1; }
      message XByAge {
        option (seandb.model) = {plural: "Xs" index: {fields: "age"}};
        string pk = 1;
        string age = 2;
      }
      message XsByAge { string pk = 1; }
      """
    ])
    let found = try await folder.violations()
    let path = "\(folder.path)/schema.proto"
    #expect(
      found.map(\.message) == [
        "the method GetDogsByAge is generated for model DogsByAge and for index age of model Dog (\(path):3:45): "
          + "rename one of them",
        "the method GetXsByAge is generated for model XsByAge and for index age of model XByAge (\(path):6:3): "
          + "rename one of them",
      ])
    #expect(found.map(\.line) == [4, 10])
  }

  @Test func namesMethodsOfOneModelThatMeet() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message DogByAge {
        option (seandb.model) = {plural: "Dog" index: {fields: "age"}};
        string pk = 1;
        string age = 2;
      }
      """
    ])
    #expect(
      try await folder.violations().map(\.message) == [
        "the method GetDogByAge is generated for index age of model DogByAge and for model DogByAge "
          + "(\(folder.path)/schema.proto:3:9): rename one of them"
      ])
  }

  @Test func keepsTheNameOfTheList() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message ByA { string pk = 1; string as = 2 [(seandb.field).index = true]; }
      """
    ])
    #expect(
      try await folder.violations().map(\.message) == [
        "index as of model ByA has a message ByAs, as its list is called: give the index another name"
      ])
  }

  // MARK: - Where no index can be

  @Test func refusesAnOptionOfAFieldOfWhatIsNoModel() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
        string pk = 1;
        HomeAddress home = 2;
        message Coat {
          string colour = 1 [(seandb.field) = {index: true}];
        }
      }
      message HomeAddress {
        string city = 1 [(seandb.field).unique = true];
        string street = 2;
      }
      message Leash {
        option (seandb.model) = {embedded: true};
        string pk = 1;
        int32 length = 2 [(seandb.field).index = false];
      }
      """
    ])
    let found = try await folder.violations()
    let advice = "take it away, and name the path to the field in an index of the model, as in "
    #expect(
      found.map(\.message) == [
        "field `colour` of message Dog.Coat has an option (seandb.field), and Dog.Coat is no model: \(advice)"
          + "{index: {fields: \"coat.colour\"}}",
        "field `city` of message HomeAddress has an option (seandb.field), and HomeAddress is no model: \(advice)"
          + "{index: {fields: \"home_address.city\"}}",
        "field `length` of message Leash has an option (seandb.field), and Leash is no model: \(advice)"
          + "{index: {fields: \"leash.length\"}}",
      ])
    #expect(found.map(\.line) == [7, 11, 17])
    #expect(found.first?.column == 24)
  }

  @Test func refusesAnIndexOfWhatIsNoModel() async throws {
    let folder = try SchemaFolder([
      "schema.proto": """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { string pk = 1; Address home = 2; }
      message Address {
        option (seandb.model) = {index: {fields: "city"}};
        string city = 1;
      }
      message Leash {
        option (seandb.model) = {embedded: true index: {fields: "length"}};
        int32 length = 1;
      }
      """
    ])
    let found = try await folder.violations()
    #expect(
      found.map(\.message) == [
        "message Address has an index in its option and is no model: give it a field `string pk` or name its key, or "
          + "take the index away",
        "message Leash has an index in its option and is no model: take `embedded` or the index away",
      ])
    #expect(found.map(\.line) == [5, 9])
  }

  @Test func namesAnOptionThatIsNotKnown() async throws {
    for (line, option) in [
      (4, "option (seandb.model) = {index: {field: \"a\"}};"),
      (4, "string b = 3 [(seandb.field).indexed = true];"),
    ] {
      let folder = try SchemaFolder([
        "schema.proto":
          "syntax = \"proto3\";\nimport \"seandb/options.proto\";\nmessage Dog {\n\(option)\nstring pk = 1;\nstring a = 2;\n}\n"
      ])
      let found = try await folder.violations()
      #expect(found.map(\.line) == [line], "\(found)")
    }
  }
}
