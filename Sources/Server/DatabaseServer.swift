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
  private let mark: CommitMark
  private let schema: CompiledSchema
  private let address: BoundAddress
  private let server: GRPCServer
  private let sweeper: RangeDeleteSweeper
  private let monitor: WriteMonitor
  private let commits: CommitQueue
  private let reads: StorageReads
  private let health: HealthService

  /// Takes the address, opens the data directory, and checks the schema against the stored one. Blocks on disk
  /// I/O.
  ///
  /// - Parameter schema: nil takes the stored schema.
  /// - Throws: when the address, the directory, the engine or the schema does not allow it. Nothing is changed
  ///   then, and nothing is created when the address is the reason.
  package static func open(
    schema: CompiledSchema?, configuration: ServerConfiguration, logger: Logger
  ) throws(ServerError) -> DatabaseServer {
    try OpenFileLimit.raise(logger, eventLoops: configuration.eventLoops)
    try AddressSpaceLimit.check(configuration)
    let path = configuration.dataDirectory
    let kind = try DataDirectory.engine(
      of: path, wanted: configuration.engine, among: configuration.engines,
      mayCreate: schema != nil)
    let address: BoundAddress
    do throws(ListenError) {
      address = try BoundAddress(host: configuration.host, port: configuration.port)
    } catch {
      throw .cannotListen(
        address: "\(configuration.host):\(configuration.port)", detail: error.detail)
    }
    let directory = try DataDirectory(path: path, engine: kind)
    var options = EngineOptions()
    options.cacheSizeBytes = configuration.cacheSizeBytes
    options.memtableSizeBytes = configuration.memtableSizeBytes
    let store = try directory.openStore(options)
    let (engine, mark) = (store.engine, store.mark)
    if store.unsyncedLossCount > 0 {
      logger.warning(
        "the machine went down before the last acknowledged changes were on the disk, and they are gone; --durability sync waits for the disk",
        metadata: ["changes": "\(store.unsyncedLossCount)"])
    }
    do throws(ServerError) {
      let catalogue = Catalogue(engine: engine, directory: path)
      var wanted = schema
      if wanted == nil { wanted = try catalogue.storedSchema() }
      guard let schema = wanted else { throw .noSchema(path: path) }
      let adopted = try catalogue.adopt(schema)
      let identity = try catalogue.establishIdentity()
      mark.record(engine, .sync)
      try directory.declareStoreMade(identity)
      if !directory.mustHaveStore {
        logger.notice("a new database was made", metadata: ["data": "\(path)"])
      }
      Self.log(adopted, logger)
      for report in directory.untoldRepairs() {
        logger.warning(
          "a repair was cut short before anybody read what is lost: see the file, or stop the server and run `seandb repair`",
          metadata: ["file": "\(report)"])
      }
      return DatabaseServer(
        configuration, directory, engine, mark, address, schema, adopted, logger)
    } catch {
      if directory.marker.isStoreMade {
        closeStore(engine, directory, mark, logger)
      } else {
        // A directory of the first format stays one, which an earlier program may go on with.
        try? engine.close()
      }
      throw error
    }
  }

  /// Closes the engine, and says in the mark that it was closed in good order when it was.
  ///
  /// - Returns: whether it was.
  @discardableResult
  private static func closeStore(
    _ engine: any StorageEngine, _ directory: DataDirectory, _ mark: CommitMark, _ logger: Logger
  ) -> Bool {
    let isWhole = engine.writeState().takesWrites
    do throws(EngineError) {
      try engine.close()
    } catch {
      // Why no writes are taken has been told before, unless it has only just come about.
      if case .readOnly = error, !isWhole { return false }
      logger.error(
        "the store was not closed in good order. Mend the cause; the next start looks at the store as after a crash",
        metadata: ["cause": "\(error)"])
      return false
    }
    guard isWhole else { return false }
    do throws(ServerError) {
      // Names that were removed must not come back after a power cut: the list would miss them.
      try SmallFile.sync(directory: directory.storePath)
      try mark.closed(StoreFile.list(directory.storePath))
    } catch {
      // The next start looks at the store as after a crash.
      logger.warning("the commit mark was not written", metadata: ["error": "\(error)"])
    }
    return true
  }

  private init(
    _ configuration: ServerConfiguration, _ directory: DataDirectory, _ engine: any StorageEngine,
    _ mark: CommitMark, _ address: BoundAddress, _ schema: CompiledSchema, _ adopted: AdoptedSchema,
    _ logger: Logger
  ) {
    self.configuration = configuration
    self.directory = directory
    self.engine = engine
    self.mark = mark
    self.address = address
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
    let health = HealthService()
    self.health = health
    let writes = schema.serviceName + Self.writeHealthSuffix
    monitor = WriteMonitor(
      engine: engine, store: StoreWatch(directory.storePath), logger: logger
    ) { takesWrites in
      health.set(takesWrites ? .serving : .notServing, for: writes)
    }
    commits = CommitQueue(
      engine: engine, durability: configuration.durability, mark: mark, sweeper: sweeper,
      monitor: monitor)
    reads = StorageReads(threadCount: configuration.storageThreads, server: server)
    registerModels(adopted)
    registerServices()
  }

  /// What the name of a service ends with whose health is that of writes alone.
  private static let writeHealthSuffix = "/write"

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
    health.set(.serving, for: "")
    health.set(.serving, for: schema.serviceName)
    health.set(.serving, for: schema.serviceName + Self.writeHealthSuffix)
    monitor.start()
    let port: Int
    do throws(ListenError) {
      port = try await server.start(address)
    } catch {
      await shutDown()
      throw .cannotListen(
        address: "\(configuration.host):\(configuration.port)", detail: error.detail)
    }
    logger.info(
      "serving",
      metadata: [
        "service": "\(schema.serviceName)", "models": "\(schema.models.count)",
        "engine": "\(directory.engine.name)", "data": "\(configuration.dataDirectory)",
      ])
    return port
  }

  /// Drains: health says NOT_SERVING, clients get GOAWAY, calls under way end, queued writes are
  /// committed, the engine is closed.
  ///
  /// - Returns: whether writes were taken until the end; false when an operator has to look after the disk.
  @discardableResult
  package func shutDown() async -> Bool {
    health.shutDown()
    await server.drain()
    commits.stop()
    reads.stop()
    await server.close()
    sweeper.stop()
    monitor.lookForTheLastTime()
    monitor.stop()
    let isClosed = Self.closeStore(engine, directory, mark, logger)
    sweeper.waitUntilEnded()
    return monitor.state.takesWrites && isClosed
  }
}
