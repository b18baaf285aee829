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
      try SchemaWriter.write(schema, replacing: schema, into: "\(folder.path)/new/out/")
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
      try SchemaWriter.write(schema, into: "\(folder.path)/in")
    }
    #expect(try folder.fileNames() == ["in/schema.proto", "in/a/b.proto"])

    let other = try SchemaFolder(["database.proto": seedSchema])
    let named = try await other.compile("database.proto")
    #expect(throws: SchemaError.wouldOverwriteSource(path: "\(other.path)/./database.proto")) {
      try SchemaWriter.write(named, into: "\(other.path)/.")
    }
    #expect(try other.read("database.proto") == Array(seedSchema.utf8))
    // A name alone does no harm.
    try SchemaWriter.write(named, into: "\(other.path)/out")
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
      try SchemaWriter.write(schema, into: "\(folder.path)/out")
    }
    #expect(try folder.fileNames(below: "elsewhere/") == ["elsewhere/x"])
  }

  @Test(arguments: ["out/database.proto/x", "out/a/b.proto/x", "out/server/x"])
  func leavesAFolderInAFilesPlaceAndWritesNothing(_ obstacle: String) async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    try folder.write(obstacle, [])
    let path = "\(folder.path)/\(obstacle.dropLast(2))"
    #expect(throws: SchemaError.inTheWay(path: path, what: "a folder")) {
      try SchemaWriter.write(schema, program: Self.program(), into: "\(folder.path)/out")
    }
    #expect(try folder.fileNames(below: "out/") == [obstacle])
  }

  @Test(arguments: ["out/database.proto", "out/a/b.proto"])
  func leavesAFileThatItDidNotWrite(_ own: String) async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    try folder.write(own, Array("mine".utf8))
    #expect(
      throws: SchemaError.inTheWay(
        path: "\(folder.path)/\(own)", what: "a file that seandb did not write")
    ) {
      try SchemaWriter.write(schema, into: "\(folder.path)/out")
    }
    #expect(try folder.fileNames(below: "out/") == [own])
    #expect(try folder.read(own) == Array("mine".utf8))
  }

  /// A program whose writing fails, or does not.
  private static func program(
    failing code: Int32? = nil, after body: @escaping () -> Void = {}
  ) -> SchemaWriter.Program {
    SchemaWriter.Program(name: "server") { _, path throws(SchemaError) in
      body()
      if let code { throw .io(operation: "write", path: path, code: code) }
    }
  }

  @Test func changesNothingWhenTheProgramCannotBeWritten() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    #expect(throws: SchemaError.self) {
      try SchemaWriter.write(
        schema, program: Self.program(failing: 28), into: "\(folder.path)/new/out")
    }
    // Not even the folders are left.
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/new"))
  }

  @Test func putsNothingInItsPlaceBeforeAllIsWritten() async throws {
    let folder = try Self.folder()
    let schema = try await folder.compile("in/schema.proto")
    try SchemaWriter.write(schema, program: Self.program(), into: "\(folder.path)/out")
    let before = try folder.fileNames(below: "out/")
    #expect(before == ["out/server", "out/database.proto", "out/a/b.proto"])
    // The folder of the import turns into a link after the program was written.
    let next = Self.program {
      try? FileManager.default.moveItem(
        atPath: "\(folder.path)/out/a", toPath: "\(folder.path)/out/b")
      try? FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/out/a", withDestinationPath: "\(folder.path)/out/b")
    }
    #expect(throws: SchemaError.self) {
      try SchemaWriter.write(
        schema, program: next, replacing: schema, into: "\(folder.path)/out")
    }
    #expect(
      try folder.fileNames(below: "out/").filter { $0.contains("/.") }.isEmpty)
  }

  @Test(arguments: [
    ("server", "server", "file"), ("server/common.proto", "server/common.proto", "folder"),
  ])
  func namesAnImportThatNeedsTheProgramsPath(
    _ file: String, path: String, kind: String
  ) async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"\(file)\";\n"
        + "message Dog { string pk = 1; B b = 2; }\n",
      file: "syntax = \"proto3\";\npackage p;\nmessage B {}\n",
    ])
    let schema = try await folder.compile()
    #expect(
      throws: SchemaError.invalid([
        Diagnostic(
          file: "\(folder.path)/schema.proto", line: 3, column: 1,
          message:
            "the import \"\(path)\" needs the path \"server\" of the output directory, where the "
            + "program goes: rename the imported \(kind)")
      ])
    ) {
      try SchemaWriter.write(schema, program: Self.program(), into: "\(folder.path)/out")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/out"))
    // Without a program beside it, it does no harm.
    try SchemaWriter.write(schema, into: "\(folder.path)/out")
  }
}
