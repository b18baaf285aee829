import Schema
import Testing

@Suite("Indexes in database.proto") struct IndexProtoTests {
  private static let schema = """
    syntax = "proto3";
    package p;
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/timestamp.proto";
    import "seandb/options.proto";
    message Dog {
      option (seandb.model) = {
        index: {fields: "home.kind, -weight, labels.born"}
        index: {fields: "height" name: "size" sparse: true}
      };
      string pk = 1;
      Home home = 2;
      double weight = 3;
      repeated Label labels = 4;
      float height = 5;
      string chip = 6 [(seandb.field).unique = true];
    }
    message Home { Kind kind = 1; enum Kind { NONE = 0; } }
    message Label { google.protobuf.Timestamp born = 1; }

    """

  @Test func hasAMessageAndMethodsForEachIndex() async throws {
    let folder = try SchemaFolder(["schema.proto": Self.schema])
    let schema = try await folder.compile()
    let text = schema.databaseProto
    #expect(
      text.contains(
        """

        // Records of Dog, in the byte order of their pk, or in that of an index, when they are an answer. \
        A BatchPut takes the records alone.
        message Dogs {
          // The name of one record.
          message Key {
            string pk = 1;
          }
        \(Self.home)
        """))
    #expect(text.contains(Self.homeMatches))
    #expect(text.contains(Self.size))
    #expect(text.contains(Self.methods))
    // The matches of each kind once, in the order of the kinds.
    let query = try #require(text.firstRange(of: "message IndexQuery"))
    let end = try #require(text.firstRange(of: "message Empty"))
    let kinds = text[query.lowerBound..<end.lowerBound].split(separator: "\n").filter {
      $0.hasPrefix("  message ")
    }
    #expect(
      kinds.map { $0.dropFirst(10) } == [
        "Range {", "Keys {", "String {", "Timestamp {", "Float {", "Double {",
      ])
    #expect(text.contains("    oneof expression {\n      float eq = 1;\n"))
    #expect(text.contains("    oneof expression {\n      double eq = 1;\n"))
  }

  private static let home = """
      // Chooses records of the index on home.kind, -weight, labels.born by its first columns: \
    all but the last match are eq or in. Without a match: all of them.
      message ByHomeKindWeightLabelsBorn {
        // Chooses records by a value of one column.
        message HomeKindMatch {
          message Range {
            oneof lower {
              .p.Home.Kind gte = 1;
    """

  private static let size = """
      // Chooses records of the index on height. Without a match: all of them.
      message BySize {
        IndexQuery.Float height = 1;
        // At most so many records in one answer; 0 is all of them, or an error when they are too many for one message.
        uint32 page_size = 16;
        // Goes on where an answer to the same query ended: its next_page_token.
        string page_token = 17;
        // Of the columns. DESCENDING gives the last ones first.
        IndexQuery.Order order = 18;
        // Only these fields of each record. Not set: the records as they are stored.
        .google.protobuf.FieldMask read_mask = 19;
        // No records, only how many there are.
        bool count_only = 20;
        // An etag for each record.
        bool with_etags = 21;
      }

    """

  private static let homeMatches = """
        HomeKindMatch home_kind = 1;
        IndexQuery.Double weight = 2;
        IndexQuery.Timestamp labels_born = 3;
        // At most so many
    """

  private static let methods = """
      rpc BatchPutDogs(Dogs) returns (Empty) {}
      // Puts, updates, deletes or checks one Dog when a condition holds.
      rpc WriteDog(Dogs.Write) returns (Dogs.Written) {}
      // The Dogs that the query chooses, in the order of home.kind, -weight, labels.born.
      rpc GetDogsByHomeKindWeightLabelsBorn(Dogs.ByHomeKindWeightLabelsBorn) returns (Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // The same in as many messages as it takes, all of one moment; each says where to go on after it.
      rpc StreamDogsByHomeKindWeightLabelsBorn(Dogs.ByHomeKindWeightLabelsBorn) returns (stream Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // The Dogs that the query chooses, in the order of height.
      rpc GetDogsBySize(Dogs.BySize) returns (Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // The same in as many messages as it takes, all of one moment; each says where to go on after it.
      rpc StreamDogsBySize(Dogs.BySize) returns (stream Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // The Dogs that the query chooses, in the order of chip.
      rpc GetDogsByChip(Dogs.ByChip) returns (Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // The same in as many messages as it takes, all of one moment; each says where to go on after it.
      rpc StreamDogsByChip(Dogs.ByChip) returns (stream Dogs) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // Deletes the one of the Dogs that has these values, if there is one.
      rpc DeleteDogsByChip(Dogs.ByChip) returns (Empty) {}

      // Makes all writes, or none.
    """

  @Test func saysWhatADeleteTakes() async throws {
    let text = try await compile(Self.schema).databaseProto
    #expect(
      text.contains(
        """
          message ByChip {
            IndexQuery.String chip = 1;
            // The rest is for Get and Stream; a Delete takes eq of every column alone.

            // At most
        """))
  }

  /// The matches of enums, and what the schema calls its own things.
  @Test func copesWithNamesThatAreTaken() async throws {
    let schema = try await compile(
      """
      syntax = "proto3";
      import "seandb/options.proto";
      message ByKind {
        option (seandb.model) = {
          key: "id"
          index: {fields: "kind, KindMatch, b.kind, IndexQuery" name: "kind"}
          index: {fields: "b.string" name: "stream"}
        };
        int64 id = 1;
        E kind = 2;
        string KindMatch = 3;
        Bee b = 4;
        string IndexQuery = 5;
          }
      message GetByKindsByKind { string pk = 1; }
      message Bee { E kind = 1; string string = 2; }
      enum E { ZERO = 0; }
      """)
    let text = schema.databaseProto
    #expect(
      text.contains(
        "    KindMatch1 kind = 1;\n    IndexQuery.String KindMatch = 2;\n    BKindMatch b_kind = 3;\n"
      ))
    #expect(text.contains("repeated .database.ByKind by_kinds = 1;"))
    #expect(text.contains("rpc GetByKindsByStream(ByKinds.ByStream) returns (ByKinds) {"))
    #expect(text.contains("          .database.E gte = 1;\n"))
    let plan = schema.recordPlan
    let list = try #require(plan.index(ofMessage: "database.ByKinds"))
    #expect(plan.kind(ofField: 1, inMessage: list) == .message)
    #expect(schema.models.map(\.name) == ["ByKind", "GetByKindsByKind"])
  }

  @Test func isAcceptedByBuf() async throws {
    let folder = try SchemaFolder(["in/schema.proto": Self.schema])
    let schema = try await folder.compile("in/schema.proto")
    try SchemaWriter.write(schema, into: "\(folder.path)/out")
    guard let built = try runProgram(["buf", "build", "."], in: "\(folder.path)/out") else {
      return
    }
    #expect(built.code == 0, "\(built.output)")
  }
}
