import Schema
import Testing

@Suite("Indexes of models") struct IndexDefinitionTests {
  static let old = """
    syntax = "proto2";
    package old;
    message Part {
      required int64 number = 1;
      optional string name = 2;
      optional group Size = 3 { optional int32 width = 1; }
      repeated sint32 codes = 4 [packed = true];
    }

    """

  /// A folder with a model whose indexes are these.
  static func folder(_ indexes: String, in option: String = "") throws -> SchemaFolder {
    try SchemaFolder([
      "old.proto": old,
      "schema.proto": """
      syntax = "proto3";
      package p;
      import "google/protobuf/duration.proto";
      import "google/protobuf/timestamp.proto";
      import "old.proto";
      import "seandb/options.proto";
      message Dog {
        option (seandb.model) = {\(option) \(indexes)};
        string pk = 1;
        string breed = 2;
        uint32 age = 3;
        optional string chip = 4;
        google.protobuf.Timestamp born = 5;
        repeated string tags = 6;
        repeated Label labels = 7;
        map<string, Label> notes = 8;
        Address address = 9;
        oneof home { string kennel = 10; Address house = 11; }
        double weight = 12;
        float height = 13;
        Kind kind = 14;
        repeated Kind kinds = 15;
        old.Part part = 16;
        Dog mother = 17;
        repeated google.protobuf.Duration walks = 18;
        repeated old.Part parts = 19;
        bytes order = 20;
        string address_city = 21;
        Page page = 22;
        string addressStreet = 23;
      }
      message Label {
        string key = 1;
        optional int64 value = 2;
        repeated Label inner = 3;
        Address address = 4;
      }
      message Address {
        string city = 1;
        string street = 2;
        google.protobuf.Timestamp since = 3;
      }
      message Page { int32 size = 1; }
      enum Kind { NONE = 0; SMALL = 1; }
      """,
    ])
  }

  /// `-7*.2? int64`: descending, the fields' numbers, which one is repeated, whether it can be unset, and the type.
  private static func describe(_ column: Column) -> String {
    let path = column.path.enumerated().map { "\($1)\(column.repeatedStep == $0 ? "*" : "")" }
    return (column.isDescending ? "-" : "") + path.joined(separator: ".")
      + (column.hasPresence ? "?" : "") + " \(column.kind)" + column.typeName
  }

  @Test(arguments: [
    ("breed", "breed", ["2 string"]),
    ("breed, -age", "breed_age", ["2 string", "-3 uint32"]),
    (" -age ,breed ", "age_breed", ["-3 uint32", "2 string"]),
    ("chip", "chip", ["4? string"]),
    ("born", "born", ["5? timestamp"]),
    ("weight, height", "weight_height", ["12 double", "13 float"]),
    ("kind", "kind", ["14 enumeration.p.Kind"]),
    ("kennel", "kennel", ["10? string"]),
    ("house.city", "house_city", ["11.1 string"]),
    ("address.city", "address_city", ["9.1 string"]),
    (
      "-address.since, address.city", "address_since_address_city",
      ["-9.3? timestamp", "9.1 string"]
    ),
    ("mother.mother.age", "mother_mother_age", ["17.17.3 uint32"]),
    ("part.number, part.name", "part_number_part_name", ["16.1? int64", "16.2? string"]),
    ("part.codes", "part_codes", ["16.4* sint32"]),
    ("tags", "tags", ["6* string"]),
    ("breed, -tags", "breed_tags", ["2 string", "-6* string"]),
    ("kinds", "kinds", ["15* enumeration.p.Kind"]),
    ("walks", "walks", ["18* duration"]),
    ("labels.key, labels.value", "labels_key_labels_value", ["7*.1 string", "7*.2? int64"]),
    ("labels.address.city, age", "labels_address_city_age", ["7*.4.1 string", "3 uint32"]),
    ("parts.name", "parts_name", ["19*.2? string"]),
    ("mother.labels.key", "mother_labels_key", ["17.7*.1 string"]),
  ]) func makesColumnsOfPaths(_ fields: String, _ name: String, _ columns: [String]) async throws {
    let schema = try await Self.folder("index: {fields: \"\(fields)\"}").compile()
    let index = try #require(schema.models.first?.indexes.first)
    #expect(index.columns.map(Self.describe) == columns)
    #expect(index.name == name)
    #expect(index.hasElements == columns.joined().contains("*"))
    #expect(!index.isUnique && !index.isSparse && index.inclusion == .none)
    #expect(index.columns.allSatisfy { $0.queryName == $0.name.replacing(".", with: "_") })
    #expect(
      index.text
        == index.columns.map { ($0.isDescending ? "-" : "") + $0.name }.joined(separator: ", "))
  }

  @Test func isTheSameInAProgramAndInADataDirectory() async throws {
    let schema = try await Self.folder(
      """
      index: {fields: "breed, -age" name: "by_age" include: "address"}
      index: {fields: "labels.key, kind" unique: true sparse: true include: "*"}
      """
    ).compile()
    #expect(schema.hasOptions)
    #expect(schema.models[0].indexes.map(\.name) == ["by_age", "labels_key_kind"])
    #expect(schema.models[0].indexes.map(\.isUnique) == [false, true])
    #expect(schema.models[0].indexes.map(\.isSparse) == [false, true])
    let loaded = try schema.serialized().withUnsafeBytes {
      try CompiledSchema(serialized: $0)
    }
    #expect(loaded.models == schema.models && loaded.hasOptions)
  }

  @Test(arguments: [
    ("", []),
    (" ", []),
    ("breed", ["2"]),
    ("address.city,  breed", ["2", "9.1"]),
    ("address.city, address, address.street", ["9"]),
    ("address.since.seconds", ["9.3.1"]),
    ("tags, notes, address", ["6", "8", "9"]),
    // Of a repeated field an entry has one element.
    ("labels", ["7"]),
    ("part.size.width", ["16.3.1"]),
    // An entry has its columns and the key of its record anyway.
    ("pk, age, born.seconds, breed", ["2"]),
    ("pk, age", []),
    ("breed, breed", ["2"]),
  ]) func includesPathsInOrderAndNoneTwice(_ include: String, _ paths: [String]) async throws {
    let schema = try await Self.folder(
      "index: {fields: \"age, born, labels.key\" include: \"\(include)\"}"
    ).compile()
    let inclusion = try #require(schema.models.first?.indexes.first).inclusion
    switch inclusion {
    case .none: #expect(paths.isEmpty)
    case .paths(let found):
      #expect(found.map { $0.numbers.map(String.init).joined(separator: ".") } == paths)
      #expect(found.allSatisfy { include.contains($0.name) })
    case .everything: Issue.record("everything")
    }
  }

  @Test func includesEverything() async throws {
    let schema = try await Self.folder("index: {fields: \"age\" include: \" * \"}").compile()
    #expect(schema.models.first?.indexes.first?.inclusion == .everything)
  }

  @Test(arguments: [
    ("breed_age", "ByBreedAge"), ("breedAge", "ByBreedAge"), ("b", "ByB"), ("A__b_", "ByAB"),
    ("x2_y", "ByX2Y"), ("PK", "ByPK"), ("key", "ByKey"),
  ]) func namesMethodsAndMessagesAfterAnIndex(_ name: String, _ message: String) async throws {
    let schema = try await Self.folder("index: {fields: \"age\" name: \"\(name)\" unique: true}")
      .compile()
    let index = try #require(schema.models.first?.indexes.first)
    #expect(index.queryMessage == message)
    #expect(index.getMethod(plural: "Dogs") == "GetDogs\(message)")
    #expect(index.streamMethod(plural: "Dogs") == "StreamDogs\(message)")
    #expect(index.deleteMethod(plural: "Dogs") == "DeleteDogs\(message)")
    #expect(
      schema.databaseProto.contains("rpc DeleteDogs\(message)(Dogs.\(message)) returns (Empty) {}"))
  }

  @Test func takesAStatementForEachIndex() async throws {
    let schema = try await compile(
      """
      syntax = "proto3";
      package p;
      import "seandb/options.proto";
      message Country {
        option (seandb.model).plural = "Countries";
        option (seandb.model).index = {fields: "name" unique: true};
        option (seandb.model).index = {fields: "-area"};
        string pk = 1;
        string name = 2;
        double area = 3;
      }
      """)
    #expect(schema.models[0].indexes.map(\.text) == ["name", "-area"])
    #expect(
      schema.databaseProto.contains(
        "rpc GetCountriesByArea(Countries.ByArea) returns (Countries) {"))
  }

  @Test func takesAnIndexOfOneFieldFromTheField() async throws {
    let schema = try await compile(
      """
      syntax = "proto3";
      import "seandb/options.proto";
      message Owner {
        option (seandb.model) = {key: "id" index: {fields: "city, id"}};
        int64 id = 1;
        string email = 2 [(seandb.field).unique = true];
        string city = 3 [(seandb.field) = {index: true}, deprecated = true];
        repeated string phones = 4 [(seandb.field).index = true];
        string street = 5 [(seandb.field) = {index: false}];
        oneof one { E either = 6 [(seandb.field).index = true]; }
      }
      enum E { ZERO = 0; }
      """)
    let indexes = try #require(schema.models.first).indexes
    #expect(indexes.map(\.name) == ["city_id", "email", "city", "phones", "either"])
    #expect(indexes.map(\.isUnique) == [false, true, false, false, false])
    #expect(indexes.map(\.hasElements) == [false, false, false, true, false])
    #expect(indexes[4].columns[0].hasPresence)
    #expect(schema.hasOptions)
    let loaded = try schema.serialized().withUnsafeBytes { try CompiledSchema(serialized: $0) }
    #expect(loaded.models == schema.models)
  }

  /// Whether a directory can be opened by an earlier program depends on it.
  @Test func hasOptionsWhenOnlyAFieldHas() async throws {
    let text = """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { string pk = 1; string name = 2 [(seandb.field).index = VALUE]; }
      """
    #expect(try await compile(text.replacing("VALUE", with: "true")).hasOptions)
    #expect(try await !compile(text.replacing("VALUE", with: "false")).hasOptions)
  }

  @Test func leavesOptionsOfOthersAlone() async throws {
    let folder = try SchemaFolder([
      "other/options.proto": """
      syntax = "proto3";
      package other;
      import "google/protobuf/descriptor.proto";
      extend google.protobuf.FieldOptions { Rules rules = 1071; string note = 50730; }
      message Rules { bool index = 1; bool unique = 2; string name = 3; }
      """,
      "schema.proto": """
      syntax = "proto3";
      package p;
      import "seandb/options.proto";
      import "other/options.proto";
      message Dog {
        string pk = 1 [(other.rules) = {unique: true}];
        string breed = 2 [(other.note) = "n", (seandb.field).index = true, (other.rules).name = "x"];
      }
      """,
    ])
    let schema = try await folder.compile()
    #expect(schema.models[0].indexes.map(\.name) == ["breed"])
    #expect(!schema.models[0].indexes[0].isUnique)
  }

  @Test func hasUpTo64IndexesOf15Columns() async throws {
    let fields = (1...64).map { "  string f\($0) = \($0 + 1);\n" }.joined()
    let indexes = (1...64).map { first in
      let columns = (0..<15).map { "f\((first + $0 - 1) % 64 + 1)" }
      return "  option (seandb.model).index = {fields: \"\(columns.joined(separator: ", "))\"};\n"
    }
    let text = """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
      \(indexes.joined())  string pk = 1;
      \(fields)}
      """
    let schema = try await compile(text)
    #expect(schema.models[0].indexes.count == 64)
    #expect(schema.models[0].indexes.allSatisfy { $0.columns.count == 15 })
  }

  @Test func notesAnIndexInAnImportedFile() async throws {
    let folder = try SchemaFolder([
      "shared.proto": """
      syntax = "proto3";
      package shared;
      import "seandb/options.proto";
      message Coat { string colour = 1 [(seandb.field).index = true]; }
      """,
      "schema.proto": """
      syntax = "proto3";
      import "shared.proto";
      message Dog { string pk = 1; shared.Coat coat = 2; }
      """,
    ])
    #expect(
      try await folder.compile().notes == [
        "shared.proto: message Coat has an index in its options but is imported: it is an embedded type, and there is "
          + "no index"
      ])
  }
}
