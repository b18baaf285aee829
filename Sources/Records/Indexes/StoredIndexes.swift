package import Engine
package import Logging
import Schema

/// The indexes of a database that is not served: for tools.
package struct StoredIndexes {
  private let engine: any StorageEngine
  private let stores: [ModelStore]
  private let stored: [(id: UInt32, index: StoredIndex)]
  private let modelNames: [UInt32: String]

  /// What a check came to.
  package struct Verdict: Sendable {
    /// Indexes that were looked at.
    package var indexCount = 0
    /// Of all of them.
    package var entryCount: UInt64 = 0
    /// Entries that are missing, or too many.
    package var problemCount = 0
  }

  /// Reads the catalogue; changes nothing.
  ///
  /// - Returns: nil when there is no schema.
  package init?(_ engine: any StorageEngine, directory: String) throws(DatabaseError) {
    let catalogue = Catalogue(engine: engine, directory: directory)
    guard let schema = try catalogue.storedSchema(), let identity = try catalogue.identity() else {
      return nil
    }
    let ids = try catalogue.modelIDs(of: schema)
    // What would be changed at a start is not kept.
    var nextID = UInt32.max - 1
    let change = try catalogue.adoptIndexes(
      of: schema, ids: ids, nextID: &nextID, in: WriteBatch())
    let commits = CommitQueue(engine: engine, durability: .buffered)
    self.engine = engine
    stored = try catalogue.storedIndexes()
    stores = schema.models.compactMap { model in
      ids[model.fullName].map { id in
        ModelStore(
          model: model, modelID: id,
          indexes: change.known[model.fullName].map {
            ModelIndexes(model, $0, plan: schema.recordPlan)
          },
          plan: schema.recordPlan, engine: engine, cache: RecordCache(capacityBytes: 0),
          commits: commits, identity: identity)
      }
    }
    modelNames = Dictionary(
      schema.models.compactMap { model in ids[model.fullName].map { ($0, model.name) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// One line for each index: `breed_age of Dog: ready`.
  package var descriptions: [String] {
    stored.map { id, index in
      let name = "\(index.name) of \(modelNames[index.modelID] ?? "model \(index.modelID)")"
      return switch index.state {
      case .ready: "\(name): ready, id \(id)"
      case .building: "\(name): building, \(index.done) of about \(index.total) records, id \(id)"
      case .failed: "\(name): failed, \(index.reasons.joined(separator: "; ")), id \(id)"
      }
    }
  }

  /// Looks whether records and entries agree, both ways, and whether there are entries of no index.
  ///
  /// - Parameter report: gets a sentence for each problem, the first ones of each index.
  package func check(_ report: (String) -> Void) throws(EngineError) -> Verdict {
    var verdict = Verdict()
    for store in stores {
      for result in try IndexCheck.run(store, engine) {
        verdict.indexCount += 1
        verdict.entryCount += result.entryCount
        verdict.problemCount += result.problemCount
        let subject = "index \(result.name) of \(store.model.name)"
        for problem in result.problems { report("\(subject): \(problem)") }
        let left = result.problemCount - result.problems.count
        if left > 0 { report("\(subject): and \(left) more") }
      }
    }
    for id in try unknownIDs() {
      verdict.problemCount += 1
      report("there are entries of an index with the id \(id), which the catalogue does not have")
    }
    return verdict
  }

  /// Ids that entries have and the catalogue has not.
  private func unknownIDs() throws(EngineError) -> [UInt32] {
    var range = KeyRange.prefix([KeyKind.index.rawValue])
    var unknown: [UInt32] = []
    while true {
      var found: UInt32?
      _ = try engine.scan(
        range, direction: .ascending, limit: 1, snapshot: nil, tier: .any
      ) { key, _ in
        found = KeyPrefix(of: key)?.model
        return .stop
      }
      guard let id = found else { return unknown }
      if !stored.contains(where: { $0.id == id }) { unknown.append(id) }
      guard let next = KeyPrefix(.index, model: id).all.upper else { return unknown }
      range.lower = next
    }
  }
}

extension StoredIndexes {
  /// Throws the entries of all indexes away and makes them anew from the records.
  ///
  /// It can be cut off at any moment: the next start, or the next call, goes on.
  ///
  /// - Parameter progress: gets the name of a model, and how many of its records are done.
  /// - Throws: when the store cannot be read or written; some indexes are not built then.
  /// - Returns: how many indexes there are, and why those failed that could not be built.
  package static func rebuild(
    _ database: Database, logger: Logger, _ progress: (String, UInt64) -> Void
  ) throws(DatabaseError) -> (indexCount: Int, failures: [String]) {
    let engine = database.engine
    let catalogue = Catalogue(engine: engine, directory: database.directoryPath)
    try catalogue.restartIndexes()
    let adopted = try catalogue.adopt(database.schema)
    let commits = CommitQueue(engine: engine, durability: .sync, mark: database.mark)
    let stores = database.openStores(
      adopted, cache: RecordCache(capacityBytes: 0), commits: commits)
    let builder = IndexBuilder(
      stores: stores, engine: engine, commits: commits, directory: database.directoryPath,
      logger: logger)
    commits.start(NoCalls())
    var failure: EngineError?
    do throws(EngineError) {
      try builder.buildAll(progress)
    } catch {
      failure = error
    }
    commits.stop()
    do throws(EngineError) {
      if let failure { throw failure }
      // What was deleted would slow every scan down.
      if let local = engine as? any LocalStore, !engine.traits.compactsDeletedRanges {
        try local.compact(KeyRange.prefix([KeyKind.index.rawValue]))
      }
    } catch {
      throw .engine(error)
    }
    database.mark.record(engine, .sync)
    var failures: [String] = []
    for store in stores {
      for index in store.indexes?.all ?? [] {
        if case .failed(let reasons) = index.state {
          failures.append(
            "index \(index.plan.index.name) of \(store.model.name): "
              + reasons.joined(separator: "; "))
        }
      }
    }
    return (stores.reduce(0) { $0 + ($1.indexes?.all.count ?? 0) }, failures)
  }

  /// Nobody calls a tool.
  private struct NoCalls: CommitObserver {
    mutating func didCommit(_ calls: [CommitTicket]) {}
    mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {}
    mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {}
  }
}
