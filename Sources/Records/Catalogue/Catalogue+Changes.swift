import Engine
package import Schema

// SAFETY: the engine lends keys and values to a visit until that returns; a number is loaded where the count has room.

/// What is kept of changes: what becomes of it when the schema changes.
extension Catalogue {
  /// No change has this revision or a higher one.
  package func revisionCeiling() throws(DatabaseError) -> UInt64 {
    guard let bytes = try value("revision-ceiling") else { return 1 }
    guard bytes.count == 8 else {
      throw .catalogueDamaged(
        path: directory, detail: "revision-ceiling has \(bytes.count) bytes, expected 8")
    }
    return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
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
      logs.append(ChangeLog(model: id, watch, oldest: oldest))
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
    for model in schema.models where model.watch != nil {
      guard let id = ids[model.fullName], left.removeValue(forKey: id) == nil else { continue }
      batch.put(ChangeLog.key(id), ChangeLog.bytes(oldest: newest))
    }
    return left.keys.sorted().map { id in
      let range = KeyPrefix(.change, model: id).all
      batch.delete(ChangeLog.key(id))
      batch.deleteRange(range)
      return range
    }
  }

  /// By the id of the model: the smallest revision after which all changes are kept.
  func storedLogs() throws(DatabaseError) -> [UInt32: UInt64] {
    var found: [UInt32: UInt64] = [:]
    var damaged: UInt32?
    let prefix = Self.key("log/")
    do throws(EngineError) {
      _ = try engine.scan(
        KeyRange.prefix(prefix), direction: .ascending, limit: .max, snapshot: nil, tier: .any
      ) { key, value in
        guard key.count == prefix.count + 4 else { return .next }
        let number = unsafe key.loadUnaligned(fromByteOffset: key.count - 4, as: UInt32.self)
        let id = UInt32(bigEndian: number)
        guard let oldest = unsafe ChangeLog.oldest(Array(value)) else {
          damaged = id
          return .stop
        }
        found[id] = oldest
        return .next
      }
    } catch {
      throw .engine(error)
    }
    if let damaged {
      throw .catalogueDamaged(
        path: directory, detail: "what is known of the changes of model \(damaged) cannot be read")
    }
    return found
  }
}
