import Schema
import SwiftProtobuf
import Testing

@Suite("Comments in descriptors")
struct SourceCommentsTests {
  static let commented = """
    // The licence.

    // Far from the message.

    syntax = "proto3";
    package p;
    import "part.proto";
    import "google/protobuf/timestamp.proto";
    // A dog.
    message Dog {
      // Its name,
      // for ever.
      string pk = 1;
      uint32 age = 2; // in years
      Part part = 3;
      google.protobuf.Timestamp born = 4;
    }
    """

  private func files() async throws -> [Google_Protobuf_FileDescriptorProto] {
    let schema = try await SchemaFolder([
      "schema.proto": Self.commented,
      "part.proto":
        "syntax = \"proto3\";\npackage p;\nmessage Part {\n  /* Inside. */ int32 x = 1;\n}\n",
    ]).compile()
    return try schema.files.map {
      try Google_Protobuf_FileDescriptorProto(serializedBytes: $0.descriptor)
    }
  }

  @Test func keepsThoseOfTheUsersFilesAndNothingElse() async throws {
    let files = try await files()
    #expect(
      files.map(\.name) == [
        "part.proto", "google/protobuf/timestamp.proto", "google/protobuf/field_mask.proto",
        "database.proto",
      ])
    #expect(files[0].sourceCodeInfo.location.map(\.leadingComments) == [" Inside. "])
    #expect(!files[1].hasSourceCodeInfo)
    let locations = files[3].sourceCodeInfo.location
    #expect(
      locations.allSatisfy {
        $0.hasLeadingComments || $0.hasTrailingComments || !$0.leadingDetachedComments.isEmpty
      })
    #expect(locations.contains { $0.leadingComments == " A dog.\n" && $0.path == [4, 0] })
    #expect(locations.contains { $0.leadingComments == " Its name,\n for ever.\n" })
    #expect(locations.contains { $0.trailingComments == " in years\n" && $0.span.count >= 3 })
    #expect(locations.contains { $0.leadingDetachedComments.contains(" Far from the message.\n") })
    // And what the server says of its own methods.
    #expect(locations.contains { $0.leadingComments.contains("all or none") })
  }

  @Test func aCommentIsNoChangeOfTheSchema() async throws {
    let old = try await compile(seedSchema)
    let new = try await compile(
      seedSchema.replacing("string name", with: "// Its name.\n  string name"))
    #expect(SchemaCompatibility.violations(old: old, new: new).isEmpty)
    #expect(SchemaCompatibility.warnings(old: old, new: new).isEmpty)
    #expect(SchemaCompatibility.isSame(old, new))
  }
}
