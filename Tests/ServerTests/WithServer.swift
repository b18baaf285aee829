import Engine
import EngineLSM
import EngineRocksDB
import Logging
import Schema
import Server
import TestSupport
import Testing
import Wire

/// Runs `body` beside a server of a schema, with data of its own.
///
/// - Parameter body: gets the port of the server.
func withServer<Result: Sendable>(
  _ schema: String, _ engine: EngineDescriptor, coreCount: Int, maximumStreamSeconds: Int = 300,
  _ body: @escaping @Sendable (Int) async -> Result
) async throws -> Result {
  let folder = try TemporaryFolder()
  let compiled = try await SchemaCompiler(includeDirectories: []).compile(
    try folder.write("schema.proto", schema))
  var configuration = ServerConfiguration(
    engines: EngineList([.rocksDB, .lsm]), coreCount: coreCount)
  configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
  configuration.engine = engine
  configuration.durability = .buffered
  configuration.dataDirectory = folder.path + "/data"
  configuration.maximumStreamSeconds = maximumStreamSeconds
  let server = try DatabaseServer.open(
    schema: compiled, configuration: configuration, logger: Logger(label: "test"))
  let port = try #require(try await server.start().first?.port)
  let result = await body(port)
  await server.shutDown()
  return result
}
