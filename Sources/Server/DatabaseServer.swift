import Engine
package import Logging
package import Schema
import Wire

/// A running database: data directory, engine, catalogue, and the gRPC server in front.
///
/// ``open(schema:configuration:logger:)``, then ``start()``, then ``shutDown()``, once each, in this
/// order.
package final class DatabaseServer: Sendable {
  private let configuration: ServerConfiguration
  private let logger: Logger
  private let directory: DataDirectory
  private let engine: any StorageEngine
  private let schema: CompiledSchema
  private let server: GRPCServer
  private let sweeper: RangeDeleteSweeper
  private let commits: CommitQueue
  private let reads: StorageReads
  private let health = HealthService()

  /// Opens the data directory and checks the schema against the stored one. Blocks on disk I/O.
  ///
  /// - Parameter schema: nil takes the stored schema.
  /// - Throws: when the directory, the engine or the schema does not allow it; nothing is changed then.
  package static func open(
    schema: CompiledSchema?, configuration: ServerConfiguration, logger: Logger
  ) throws(ServerError) -> DatabaseServer {
    OpenFileLimit.raise(logger)
    let path = configuration.dataDirectory
    let directory = try DataDirectory(
      path: path, engine: configuration.engine, mayCreate: schema != nil)
    var options = EngineOptions()
    options.cacheSizeBytes = configuration.cacheSizeBytes
    options.memtableSizeBytes = configuration.memtableSizeBytes
    let engine: any StorageEngine
    do throws(EngineError) {
      engine = try EngineKind.open(
        configuration.engine, directory: directory.storePath, options: options)
    } catch {
      throw .engine(error)
    }
    do throws(ServerError) {
      try directory.sync()
      let catalogue = Catalogue(engine: engine, directory: path)
      var wanted = schema
      if wanted == nil { wanted = try catalogue.storedSchema() }
      guard let schema = wanted else { throw .noSchema(path: path) }
      let adopted = try catalogue.adopt(schema)
      Self.log(adopted, logger)
      return DatabaseServer(configuration, directory, engine, schema, adopted, logger)
    } catch {
      try? engine.close()
      throw error
    }
  }

  private init(
    _ configuration: ServerConfiguration, _ directory: DataDirectory, _ engine: any StorageEngine,
    _ schema: CompiledSchema, _ adopted: AdoptedSchema, _ logger: Logger
  ) {
    self.configuration = configuration
    self.directory = directory
    self.engine = engine
    self.schema = schema
    self.logger = logger
    var wire = WireConfiguration(loopCount: configuration.eventLoops)
    wire.maximumRequestBytes = configuration.maximumRequestBytes
    wire.maximumConnections = OpenFileLimit.connections(wire.maximumConnections)
    wire.maximumRequestMemoryBytes = max(
      wire.maximumRequestMemoryBytes, 4 * configuration.maximumRequestBytes)
    wire.maximumAnswerMemoryBytes = max(
      wire.maximumAnswerMemoryBytes, 4 * configuration.maximumResponseBytes)
    wire.maximumAssembledBytes = max(
      wire.maximumAssembledBytes, 2 * configuration.maximumRequestBytes)
    server = GRPCServer(configuration: wire, logger: logger)
    sweeper = RangeDeleteSweeper(engine: engine)
    commits = CommitQueue(
      engine: engine, durability: configuration.durability, sweeper: sweeper)
    reads = StorageReads(threadCount: configuration.storageThreads, server: server)
    registerModels(adopted)
    registerServices()
  }

  private static func log(_ adopted: AdoptedSchema, _ logger: Logger) {
    for warning in adopted.warnings { logger.warning("\(warning)") }
    guard !adopted.missing.isEmpty else { return }
    logger.notice(
      "an earlier schema is served: the stored one is newer and stays, and records keep what this one lacks",
      metadata: ["missing": "\(adopted.missing.joined(separator: ", "))"])
  }

  private func registerModels(_ adopted: AdoptedSchema) {
    // The methods are those of the served schema, the checks those of the stored one.
    let recordSchema = adopted.recordSchema
    let names = Set(schema.models.map(\.fullName))
    for model in recordSchema.models where names.contains(model.fullName) {
      guard let id = adopted.modelIDs[model.fullName] else { continue }
      let access = ModelAccess(
        model: model, prefix: KeyPrefix(.record, model: id), plan: recordSchema.recordPlan,
        engine: engine,
        commits: commits, reads: reads, maximumResponseBytes: configuration.maximumResponseBytes)
      let service = "/" + schema.serviceName + "/"
      server.register(service + model.getMethod, unary: GetHandler(access: access))
      server.register(service + model.deleteMethod, unary: DeleteHandler(access: access))
      server.register(service + model.putMethod, unary: PutHandler(access: access))
      server.register(service + model.batchPutMethod, unary: BatchPutHandler(access: access))
    }
  }

  private func registerServices() {
    let reflection = ReflectionService(
      files: schema.files.map {
        ReflectionFile(name: $0.name, descriptor: $0.descriptor, dependencies: $0.dependencies)
      },
      services: [schema.serviceName])
    reflection.register(on: server)
    health.register(on: server)
  }

  /// Listens and serves. Health says SERVING once it returns.
  /// - Returns: the port.
  package func start() async throws(ServerError) -> Int {
    sweeper.start()
    commits.start(completions: server.completions())
    let port: Int
    do throws(ListenError) {
      port = try await server.start(host: configuration.host, port: configuration.port)
    } catch {
      let address = "\(configuration.host):\(configuration.port)"
      await shutDown()
      throw .cannotListen(address: address, detail: error.detail)
    }
    health.set(.serving, for: "")
    health.set(.serving, for: schema.serviceName)
    logger.info(
      "serving",
      metadata: [
        "service": "\(schema.serviceName)", "models": "\(schema.models.count)",
        "engine": "\(configuration.engine.rawValue)", "data": "\(configuration.dataDirectory)",
      ])
    return port
  }

  /// Drains: health says NOT_SERVING, clients get GOAWAY, calls under way end, queued writes are
  /// committed, the engine is closed.
  package func shutDown() async {
    health.shutDown()
    await server.drain()
    commits.stop()
    reads.stop()
    await server.close()
    sweeper.stop()
    do throws(EngineError) {
      try engine.close()
    } catch {
      logger.error("closing the engine failed", metadata: ["error": "\(error)"])
    }
    sweeper.waitUntilEnded()
  }
}
