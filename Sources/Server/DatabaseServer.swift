import Access
import Engine
package import Logging
import Platform
import Records
package import Schema
package import Wire

/// A running database: data directory, engine, catalogue, and the gRPC server in front.
///
/// ``open(schema:configuration:logger:)``, then ``start()``, then ``shutDown()``, once each, in this
/// order.
package final class DatabaseServer: Sendable {
  private let configuration: ServerConfiguration
  private let logger: Logger
  private let database: Database
  private let addresses: [BoundAddress]
  private let certificates: CertificateWatch?
  private let server: GRPCServer
  private let sweeper: RangeDeleteSweeper
  private let monitor: WriteMonitor
  private let commits: CommitQueue
  private let stores: [ModelStore]
  private let builder: IndexBuilder
  private let expirySweeper: ExpirySweeper
  private let feed: ChangeFeed
  private let watchHub: WatchHub
  private let cache: RecordCache
  private let cacheStarter: RecordCacheStarter
  private let reads: StorageReads
  private let snapshots: StreamSnapshots
  private let health: HealthService
  private let access: AccessControl?
  private let accessWatch: AccessFileWatch?
  private let audit: AuditLog?

  /// Takes the addresses, opens the data directory, and checks the schema against the stored one. Blocks on disk
  /// I/O.
  ///
  /// - Parameter schema: nil takes the stored schema.
  /// - Throws: when the certificate, an address, the directory, the engine or the schema does not allow it. Nothing
  ///   is changed then, and nothing is created when a certificate or an address is the reason.
  package static func open(
    schema: CompiledSchema?, configuration: ServerConfiguration, logger: Logger
  ) throws(ServerError) -> DatabaseServer {
    try OpenFileLimit.raise(logger, eventLoops: configuration.eventLoops)
    try AddressSpaceLimit.check(configuration)
    let path = configuration.dataDirectory
    let kind: EngineDescriptor
    do throws(DatabaseError) {
      kind = try DataDirectory.engine(
        of: path, wanted: configuration.engine, among: configuration.engines,
        mayCreate: schema != nil)
    } catch {
      throw .database(error)
    }
    let certificates = try configuration.tls.map { (files) throws(ServerError) in
      try CertificateWatch(files, configuration.fileCheckMilliseconds, logger)
    }
    let addresses = try configuration.addresses.map { (address) throws(ServerError) in
      do throws(ListenError) {
        return try BoundAddress(address)
      } catch {
        throw .cannotListen(address: "\(address)", detail: error.detail)
      }
    }
    var access = try schema.map { schema throws(ServerError) in
      try AccessSettings(configuration, schema, logger)
    }
    var options = EngineOptions()
    options.cacheSizeBytes = configuration.cacheSizeBytes - configuration.recordCacheBytes
    options.memtableSizeBytes = configuration.memtableSizeBytes
    options.compression = configuration.compression
    let database: Database
    do throws(DatabaseError) {
      database = try Database.open(
        schema: schema, path: path, engine: kind, options: options, logger: logger)
    } catch {
      throw .database(error)
    }
    if access == nil {
      do throws(ServerError) {
        access = try AccessSettings(configuration, database.schema, logger)
      } catch {
        _ = database.close()
        throw error
      }
    }
    do throws(DatabaseError) {
      return DatabaseServer(
        database, configuration, addresses, certificates, access, try database.openFeed(), logger)
    } catch {
      _ = database.close()
      throw .database(error)
    }
  }

  private init(
    _ database: Database, _ configuration: ServerConfiguration, _ addresses: [BoundAddress],
    _ certificates: CertificateWatch?, _ access: AccessSettings?, _ feed: ChangeFeed,
    _ logger: Logger
  ) {
    self.configuration = configuration
    self.database = database
    self.addresses = addresses
    self.certificates = certificates
    self.logger = logger
    self.feed = feed
    let schema = database.schema
    var wire = WireConfiguration(loopCount: configuration.eventLoops)
    wire.lifetime = configuration.lifetime
    wire.maximumRequestBytes = configuration.maximumRequestBytes
    wire.compressesAnswers = configuration.compressesAnswers
    wire.maximumConnections = OpenFileLimit.connections(wire.maximumConnections)
    wire.maximumRequestMemoryBytes = max(
      wire.maximumRequestMemoryBytes, 4 * configuration.maximumRequestBytes)
    wire.maximumAnswerMemoryBytes = max(
      wire.maximumAnswerMemoryBytes, 4 * configuration.maximumResponseBytes)
    wire.maximumAssembledBytes = max(
      wire.maximumAssembledBytes, 2 * configuration.maximumRequestBytes)
    audit = access?.audit
    self.access = access?.control
    server = GRPCServer(
      configuration: wire, logger: logger, hooks: CallHooks(gate: access?.control))
    accessWatch = access?.watch(configuration, server, logger)
    sweeper = RangeDeleteSweeper(engine: database.engine)
    let health = HealthService()
    self.health = health
    let writes = schema.serviceName + Self.writeHealthSuffix
    monitor = WriteMonitor(
      engine: database.engine,
      store: StoreWatch(database.storePath, database.engineDescriptor.files),
      logger: logger
    ) { takesWrites in
      health.set(takesWrites ? .serving : .notServing, for: writes)
    }
    cache = RecordCache(capacityBytes: configuration.recordCacheBytes)
    cacheStarter = RecordCacheStarter(engine: database.engine, cache: cache)
    commits = CommitQueue(
      engine: database.engine, cache: cache.isOn ? cache : nil,
      durability: configuration.durability, mark: database.mark,
      sweeper: sweeper, monitor: monitor,
      maximumRecordBytes: configuration.maximumRequestBytes, feed: feed)
    reads = StorageReads(
      engine: database.engine, threadCount: configuration.storageThreads,
      streamThreadCount: configuration.streamThreads,
      maximumResponseBytes: configuration.maximumResponseBytes, server: server)
    snapshots = StreamSnapshots(maximumSeconds: configuration.maximumStreamSeconds)
    stores = database.openStores(database.adopted, cache: cache, commits: commits)
    builder = IndexBuilder(
      stores: stores, engine: database.engine, commits: commits,
      directory: configuration.dataDirectory, logger: logger)
    expirySweeper = ExpirySweeper(stores: stores, engine: database.engine, commits: commits)
    watchHub = WatchHub(
      feed: feed, commits: commits, engine: database.engine, server: server,
      maximumMomentSeconds: configuration.maximumStreamSeconds, logger: logger)
    registerModels()
    registerServices()
  }

  /// What the name of a service ends with whose health is that of writes alone.
  private static let writeHealthSuffix = "/write"

  private func registerModels() {
    let schema = database.schema
    let tries = TriesByTier()
    let scanTries = TriesByTier()
    let longWrites = LongWrites { [server] in server.completions() }
    for store in stores {
      let model = store.model
      guard let served = schema.models.first(where: { $0.fullName == model.fullName }) else {
        continue
      }
      let reads = ModelReads(
        store: store, threads: reads, tries: tries, scanTries: scanTries,
        lookUpCost: database.engine.traits.lookUpCost,
        maximumResponseBytes: configuration.maximumResponseBytes)
      let service = "/" + schema.serviceName + "/"
      server.register(service + model.getMethod, unary: GetHandler(reads: reads))
      server.register(
        service + model.streamMethod,
        serverStream: StreamHandler(reads: reads, server: server, snapshots: snapshots))
      server.register(service + model.getOneMethod, unary: GetOneHandler(reads: reads))
      server.register(
        service + model.deleteMethod,
        unary: DeleteHandler(store: store, access: access, audit: audit, longWrites: longWrites))
      server.register(
        service + model.putMethod, unary: PutHandler(store: store, longWrites: longWrites))
      server.register(
        service + model.batchPutMethod, unary: BatchPutHandler(store: store, longWrites: longWrites)
      )
      server.register(
        service + model.writeMethod,
        unary: WriteHandler(store: store, access: access, longWrites: longWrites))
      if served.watch != nil, model.watch != nil {
        server.register(
          service + model.watchMethod,
          serverStream: WatchHandler(store: store, feed: feed, hub: watchHub))
      }
      registerIndexes(of: reads, served.indexes, service, longWrites)
    }
    let served = stores.filter { store in
      schema.models.contains { $0.fullName == store.model.fullName }
    }
    let transactions = Transactions(
      stores: served, commits: commits,
      maximumWrites: configuration.maximumTransactionWrites)
    server.register(
      "/" + schema.serviceName + "/" + CompiledSchema.transactMethod,
      unary: TransactHandler(
        transactions: transactions, stores: served, access: access, longWrites: longWrites))
  }

  /// - Parameter served: the indexes that clients know.
  private func registerIndexes(
    of reads: ModelReads, _ served: [ModelIndex], _ service: String, _ longWrites: LongWrites
  ) {
    let (store, plural) = (reads.store, reads.store.model.pluralName)
    for (place, index) in store.model.indexes.enumerated() where served.contains(index) {
      var reads = reads
      reads.index = place
      server.register(
        service + index.getMethod(plural: plural), unary: GetHandler(reads: reads))
      server.register(
        service + index.streamMethod(plural: plural),
        serverStream: StreamHandler(reads: reads, server: server, snapshots: snapshots))
      guard index.isUnique else { continue }
      server.register(
        service + index.deleteMethod(plural: plural),
        unary: DeleteHandler(
          store: store, index: place, access: access, audit: audit, longWrites: longWrites))
    }
  }

  private func registerServices() {
    let schema = database.schema
    let reflection = ReflectionService(
      files: schema.files.map {
        ReflectionFile(name: $0.name, descriptor: $0.descriptor, dependencies: $0.dependencies)
      },
      services: [schema.serviceName], audience: access)
    reflection.register(on: server)
    health.register(on: server)
  }

  /// Listens and serves. Health says SERVING once it returns.
  /// - Returns: where, in the order of the configuration, with the ports that were taken.
  package func start() async throws(ServerError) -> [ListenAddress] {
    let schema = database.schema
    sweeper.start()
    sweeper.add(database.adopted.droppedEntries)
    commits.start(CallCompletions(server.completions()))
    builder.buildSmall()
    builder.start()
    expirySweeper.start()
    watchHub.start()
    health.set(.serving, for: "")
    health.set(.serving, for: schema.serviceName)
    health.set(.serving, for: schema.serviceName + Self.writeHealthSuffix)
    monitor.start()
    snapshots.start()
    cacheStarter.start()
    certificates?.start { [server] in server.recheckClients() }
    accessWatch?.start()
    for bound in addresses {
      do throws(ListenError) {
        let isTCP = bound.address.port != nil
        try await server.start(bound, tls: isTCP ? certificates?.identity : nil)
      } catch {
        await shutDown()
        throw .cannotListen(address: "\(bound.address)", detail: error.detail)
      }
    }
    logger.info(
      "serving",
      metadata: [
        "service": "\(schema.serviceName)", "models": "\(schema.models.count)",
        "engine": "\(database.engineDescriptor.name)", "data": "\(configuration.dataDirectory)",
        "cacheSize": "\(ByteSize(bytes: configuration.cacheSizeBytes))",
        "tls":
          "\(configuration.tls.map { $0.clientAuthorities == nil ? "on" : "mutual" } ?? "off")",
      ])
    return addresses.map(\.address)
  }

  /// Loads again what can be loaded again without a restart: the certificate, for new connections, and the access file,
  /// for the next calls; opens the audit log anew. The log says what came of it. Does not wait for it.
  package func reload() {
    certificates?.reload()
    accessWatch?.lookNow()
    audit?.reopen()
  }

  /// Drains: health says NOT_SERVING, clients get GOAWAY, calls under way end, queued writes are
  /// committed, the engine is closed.
  ///
  /// - Returns: whether writes were taken until the end; false when an operator has to look after the disk.
  @discardableResult
  package func shutDown() async -> Bool {
    health.shutDown()
    certificates?.stop()
    await server.drain()
    builder.stop()
    expirySweeper.stop()
    watchHub.stop()
    commits.stop()
    reads.stop()
    await server.close()
    sweeper.stop()
    snapshots.stop()
    cacheStarter.stop()
    accessWatch?.stop()
    audit?.flush()
    monitor.lookForTheLastTime()
    monitor.stop()
    let isClosed = database.close()
    sweeper.waitUntilEnded()
    return monitor.state.takesWrites && isClosed
  }
}
