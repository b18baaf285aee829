package import Engine
package import Logging
import Platform
package import Schema

/// An open database, without a network: the data directory, its store, and the schema that was taken over.
///
/// Thread-safety: constant; ``close()`` once, when nobody uses the engine any more.
package final class Database: Sendable {
  /// The open store; ``close()`` closes it.
  package let engine: any StorageEngine
  /// To be told of each commit.
  package let mark: CommitMark
  /// The one that is served.
  package let schema: CompiledSchema
  /// How ``schema`` is served beside the stored one.
  package let adopted: AdoptedSchema
  /// Tells this database from all others.
  package let identity: StoreIdentity
  private let directory: DataDirectory
  private let logger: Logger

  /// Of the engine that the data directory has.
  package var engineDescriptor: EngineDescriptor { directory.engine }
  /// The data directory.
  package var directoryPath: String { directory.path }

  /// The stores of all models of the stored schema, those that the served one does not know among them.
  package func openStores(
    _ adopted: AdoptedSchema, cache: RecordCache, commits: CommitQueue
  ) -> [ModelStore] {
    // The checks are those of the stored schema, also when an earlier one is served.
    let recordSchema = adopted.recordSchema
    return recordSchema.models.map { model in
      guard let id = adopted.modelIDs[model.fullName] else {
        preconditionFailure("the catalogue gives every model of the stored schema an id")
      }
      // Writes to a model that is watched are executed, whether it has indexes or not.
      let known = adopted.indexes[model.fullName] ?? (model.watch == nil ? nil : [])
      let indexes = known.map { ModelIndexes(model, $0, plan: recordSchema.recordPlan) }
      return ModelStore(
        model: model, modelID: id, indexes: indexes, plan: recordSchema.recordPlan,
        engine: engine, cache: cache, commits: commits, identity: identity)
    }
  }

  /// The changes of all models that are watched.
  package func openFeed() throws(DatabaseError) -> ChangeFeed {
    let catalogue = Catalogue(engine: engine, directory: directory.path)
    let logs = try catalogue.changeLogs(of: adopted.recordSchema, ids: adopted.modelIDs)
    let feed = ChangeFeed(try catalogue.reserveRevisions(beside: logs), logs: logs)
    if !logs.isEmpty { mark.record(engine, .sync) }
    return feed
  }

  /// Where the engine keeps its files.
  package var storePath: String { directory.storePath }

  private init(
    _ directory: DataDirectory, _ store: OpenedStore, _ schema: CompiledSchema,
    _ adopted: AdoptedSchema, _ identity: StoreIdentity, _ logger: Logger
  ) {
    self.directory = directory
    self.identity = identity
    engine = store.engine
    mark = store.mark
    self.schema = schema
    self.adopted = adopted
    self.logger = logger
  }

  /// Opens the data directory `path` or makes one, and checks the schema against the stored one. Blocks on disk I/O.
  ///
  /// - Parameters:
  ///   - schema: nil takes the stored schema.
  ///   - kind: as ``DataDirectory/engine(of:wanted:among:mayCreate:)`` said.
  /// - Throws: when the directory, the engine or the schema does not allow it. Nothing is changed then.
  package static func open(
    schema: CompiledSchema?, path: String, engine kind: EngineDescriptor, options: EngineOptions,
    logger: Logger
  ) throws(DatabaseError) -> Database {
    let directory = try DataDirectory(path: path, engine: kind)
    let store = try directory.openStore(options)
    if store.unsyncedLossCount > 0 {
      logger.warning(
        "the machine went down before the last acknowledged changes were on the disk, and they are gone; --durability sync waits for the disk",
        metadata: ["changes": "\(store.unsyncedLossCount)"])
    }
    do throws(DatabaseError) {
      let catalogue = Catalogue(engine: store.engine, directory: path)
      var wanted = schema
      if wanted == nil { wanted = try catalogue.storedSchema() }
      guard let schema = wanted else { throw .noSchema(path: path) }
      let adopted = try catalogue.adopt(schema) { (format) throws(DatabaseError) in
        try declareStoreMade(catalogue, store, directory, format)
      }
      let identity = try declareStoreMade(
        catalogue, store, directory, try catalogue.format())
      if !directory.mustHaveStore {
        logger.notice("a new database was made", metadata: ["data": "\(path)"])
      }
      log(adopted, logger)
      for report in directory.engine.untoldRepairs(in: directory.storePath) {
        logger.warning(
          "a repair was cut short before anybody read what is lost: see the file, or stop the server and run `seandb repair`",
          metadata: ["file": "\(report)"])
      }
      return Database(directory, store, schema, adopted, identity, logger)
    } catch {
      if directory.marker.isStoreMade {
        close(store.engine, store.mark, directory, logger)
      } else {
        // A directory of the first format stays one, which an earlier program may go on with.
        try? store.engine.close()
      }
      throw error
    }
  }

  @discardableResult
  private static func declareStoreMade(
    _ catalogue: Catalogue, _ store: OpenedStore, _ directory: DataDirectory,
    _ format: StoreFormat
  ) throws(DatabaseError) -> StoreIdentity {
    let identity = try catalogue.establishIdentity()
    store.mark.record(store.engine, .sync)
    try directory.declareStoreMade(identity, format)
    return identity
  }

  private static func log(_ adopted: AdoptedSchema, _ logger: Logger) {
    for warning in adopted.warnings { logger.warning("\(warning)") }
    guard !adopted.missing.isEmpty else { return }
    logger.notice(
      "an earlier schema is served: the stored one is newer and stays, and records keep what this one lacks",
      metadata: ["missing": "\(adopted.missing.joined(separator: ", "))"])
  }

  /// Closes the engine, and says in the mark that it was closed in good order when it was.
  ///
  /// - Returns: whether it was.
  package func close() -> Bool { Self.close(engine, mark, directory, logger) }

  @discardableResult
  private static func close(
    _ engine: any StorageEngine, _ mark: CommitMark, _ directory: DataDirectory, _ logger: Logger
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
    do throws(DatabaseError) {
      // Names that were removed must not come back after a power cut: the list would miss them.
      try Folder.sync(directory.storePath, orThrow: DatabaseError.init)
      try mark.closed(StoreFile.list(directory.storePath, of: directory.engine))
    } catch {
      // The next start looks at the store as after a crash.
      logger.warning("the commit mark was not written", metadata: ["error": "\(error)"])
    }
    return true
  }
}
