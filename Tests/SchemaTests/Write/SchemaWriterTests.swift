import Foundation
import Schema
import Testing

@Suite("Schema writer")
struct SchemaWriterTests {
  private static func folder() throws -> SchemaFolder {
    try SchemaFolder([
      "in/schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"a/b.proto\";\n"
        + "message Dog { string pk = 1; B b = 2; }\n",
      "in/a/b.proto": "syntax = \"proto3\";\r\npackage p;\r\nmessage B {}\r\n",
    ])
  }

  @Test func writesTheTextAndTheImportsAndNothingElse() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    for _ in 0..<2 {
      try SchemaWriter.write(databaseProtoOf: schema, into: "\(folder.path)/new/out/")
      #expect(
        try folder.fileNames(below: "new/") == [
          "new/out/database.proto", "new/out/a/b.proto",
        ])
      #expect(try folder.read("new/out/database.proto") == Array(schema.databaseProto.utf8))
      #expect(try folder.read("new/out/a/b.proto") == folder.read("in/a/b.proto"))
      // The second time, what is there is replaced.
      try folder.write("new/out/a/b.proto", [1, 2, 3])
    }
  }

  @Test func refusesToReplaceTheSchemaOrItsImports() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    #expect(throws: SchemaError.wouldOverwriteSource(path: "\(folder.path)/in/a/b.proto")) {
      try SchemaWriter.write(databaseProtoOf: schema, into: "\(folder.path)/in")
    }
    #expect(try folder.fileNames() == ["in/schema.proto", "in/a/b.proto"])

    let other = try SchemaFolder(["database.proto": seedSchema])
    let named = try await other.compile("database.proto")
    #expect(throws: SchemaError.wouldOverwriteSource(path: "\(other.path)/./database.proto")) {
      try SchemaWriter.write(databaseProtoOf: named, into: "\(other.path)/.")
    }
    #expect(try other.read("database.proto") == Array(seedSchema.utf8))
    // A name alone does no harm.
    try SchemaWriter.write(databaseProtoOf: named, into: "\(other.path)/out")
    #expect(try other.fileNames() == ["database.proto", "out/database.proto"])
  }

  @Test func doesNotFollowALinkOutOfTheDirectory() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    try folder.write("elsewhere/x", [])
    try folder.write("out/x", [])
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/out/a", withDestinationPath: "\(folder.path)/elsewhere")
    #expect(throws: SchemaError.self) {
      try SchemaWriter.write(databaseProtoOf: schema, into: "\(folder.path)/out")
    }
    #expect(try folder.fileNames(below: "elsewhere/") == ["elsewhere/x"])
  }

  @Test func leavesNoTemporaryFileWhenItFails() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    // A folder stands where the file should go, so that the rename fails.
    try folder.write("out/database.proto/x", [])
    #expect(throws: SchemaError.self) {
      try SchemaWriter.write(databaseProtoOf: schema, into: "\(folder.path)/out")
    }
    #expect(
      try folder.fileNames(below: "out/") == ["out/database.proto/x"])
  }
}
