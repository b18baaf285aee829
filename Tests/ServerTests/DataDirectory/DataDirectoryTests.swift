import Engine
import Logging
import Schema
import Server
import TestSupport
import Testing

@Suite("Data directory") struct DataDirectoryTests {
  private let folder: TemporaryFolder
  private let schema: CompiledSchema

  init() async throws {
    folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; }")
    schema = try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  private func open(_ name: String = "data", schema: CompiledSchema?) throws(ServerError)
    -> DatabaseServer
  {
    var configuration = ServerConfiguration(coreCount: 1)
    configuration.port = 0
    configuration.dataDirectory = folder.path + "/" + name
    return try DatabaseServer.open(
      schema: schema, configuration: configuration, logger: Logger(label: "test"))
  }

  /// The description of the error that opening gives.
  private func refusal(_ name: String = "data", schema: CompiledSchema?) -> String? {
    do throws(ServerError) {
      _ = try open(name, schema: schema)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test func belongsToOneProcessAtATime() async throws {
    let server = try open(schema: schema)
    #expect(refusal(schema: schema)?.contains("another process has this data directory") == true)
    _ = try await server.start()
    await server.shutDown()
  }

  @Test(arguments: [
    ("seandb data directory\nformat 1\nengine lsm\n", "belongs to the engine lsm, not rocksdb"),
    ("seandb data directory\nformat 9\nengine rocksdb\n", "format 9"),
    ("something else\n", "not a seandb marker"),
    ("", "not a seandb marker"),
  ])
  func refusesAMarkerThatIsNotItsOwn(_ marker: String, _ words: String) throws {
    try folder.write("data/SEANDB", marker)
    #expect(refusal(schema: schema)?.contains(words) == true)
  }

  @Test func refusesAFolderWithForeignFiles() throws {
    try folder.write("data/thesis.tex", "\\documentclass{article}")
    #expect(refusal(schema: schema)?.contains("not empty (it has thesis.tex)") == true)
  }

  @Test func saysThatThereIsNoSchemaYet() throws {
    #expect(refusal(schema: nil)?.contains("no schema is stored here yet") == true)
    try folder.write("file", "")
    #expect(refusal("file", schema: schema) != nil)
  }
}
