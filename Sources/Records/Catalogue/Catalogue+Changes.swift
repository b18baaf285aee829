import Engine
package import Schema

/// What is kept of changes: what becomes of it when the schema changes.
extension Catalogue {
  /// No change has this revision or a higher one.
  package func revisionCeiling() throws(DatabaseError) -> UInt64 {
    guard let bytes = try value(ChangeFeed.ceilingName) else { return 1 }
    guard bytes.count == 8 else {
      throw .catalogueDamaged(
        path: directory, detail: "revision-ceiling has \(bytes.count) bytes, expected 8")
    }
    let ceiling = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    guard (1..<Self.largestCeiling).contains(ceiling) else {
      throw .catalogueDamaged(path: directory, detail: "revision-ceiling is \(ceiling)")
    }
    return ceiling
  }

  private static let largestCeiling: UInt64 = 1 << 62

  /// Reserves revisions for a process, durably: what it tells those that watch must not be told again of something
  /// else, also when the machine loses what was not on the disk yet.
  ///
  /// - Parameter logs: those that are kept; a store that was repaired may have lost the ceiling and not them.
  package func reserveRevisions(
    beside logs: [ChangeLog]
  ) throws(DatabaseError) -> Range<UInt64> {
    var first = try revisionCeiling()
    guard !logs.isEmpty else { return first..<first }
    for log in logs { first = max(first, try newestRevision(in: log) + 1) }
    guard first < Self.largestCeiling else {
      throw .catalogueDamaged(path: directory, detail: "there are no revisions left")
    }
    let end = first + ChangeFeed.reservedRevisions
    let batch = WriteBatch()
    ChangeFeed.putCeiling(end, in: batch)
    try apply(batch)
    return first..<end
  }

  /// 0 for none.
  private func newestRevision(in log: ChangeLog) throws(DatabaseError) -> UInt64 {
    var newest: UInt64 = 0
    do throws(EngineError) {
      _ = try engine.scan(
        log.prefix.all, direction: .descending, limit: 1, snapshot: nil, tier: .any
      ) { key, _ in
        newest = ChangeRecord.revision(ofKey: key) ?? 0
        return .stop
      }
    } catch {
      throw .engine(error)
    }
    return min(newest, Self.largestCeiling)
  }

  /// The changes of the models of the stored schema that are watched.
  package func changeLogs(
    of schema: CompiledSchema, ids: [String: UInt32]
  ) throws(DatabaseError) -> [ChangeLog] {
    let stored = try storedLogs()
    var logs: [ChangeLog] = []
    for model in schema.models {
      guard let watch = model.watch, let id = ids[model.fullName] else { continue }
      guard let oldest = stored[id] else {
        throw .catalogueDamaged(
          path: directory, detail: "nothing is known of the changes of \(model.fullName)")
      }
      logs.append(ChangeLog(model: id, watch, oldest: oldest.revision))
    }
    return logs
  }

  /// Begins the logs of models that are watched from now on, and drops those of models that are no more.
  ///
  /// - Returns: the changes that go.
  func adoptLogs(
    of schema: CompiledSchema, ids: [String: UInt32], in batch: WriteBatch
  ) throws(DatabaseError) -> [KeyRange] {
    var left = try storedLogs()
    // Nobody writes: all revisions so far are below the ceiling.
    let newest = try revisionCeiling() - 1
    var dropped: [KeyRange] = []
    for model in schema.models {
      guard let watch = model.watch, let id = ids[model.fullName] else { continue }
      let known = left.removeValue(forKey: id)
      let start = ChangeLog.Start(revision: newest, watch)
      // One who reads on must not take what was not kept for what was not there.
      guard known?.hasSameContent(as: start) != true else { continue }
      if known != nil {
        let range = KeyPrefix(.change, model: id).all
        batch.deleteRange(range)
        dropped.append(range)
      }
      batch.put(ChangeLog.key(id), start.bytes)
    }
    return dropped
      + left.keys.sorted().map { id in
        let range = KeyPrefix(.change, model: id).all
        batch.delete(ChangeLog.key(id))
        batch.deleteRange(range)
        return range
      }
  }

  /// By the id of the model.
  func storedLogs() throws(DatabaseError) -> [UInt32: ChangeLog.Start] {
    var found: [UInt32: ChangeLog.Start] = [:]
    for (id, bytes) in try values(ofNumbered: ChangeLog.catalogueName) {
      guard let start = ChangeLog.Start(bytes), start.revision < Self.largestCeiling else {
        throw .catalogueDamaged(
          path: directory, detail: "what is known of the changes of model \(id) cannot be read")
      }
      found[id] = start
    }
    return found
  }
}
