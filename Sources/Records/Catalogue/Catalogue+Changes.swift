import Bytes
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
    var bytes = ByteWriter()
    bytes.appendLittleEndian(end)
    let batch = WriteBatch()
    batch.put(ChangeFeed.ceilingKey, bytes.array())
    do throws(EngineError) {
      try engine.apply(batch, durability: .sync)
    } catch {
      throw .engine(error)
    }
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
    var damaged: UInt32?
    let prefix = Self.key("log/")
    do throws(EngineError) {
      _ = try engine.scan(
        KeyRange.prefix(prefix), direction: .ascending, limit: .max, snapshot: nil, tier: .any
      ) { key, value in
        guard key.count == prefix.count + 4 else { return .next }
        let number = unsafe key.loadUnaligned(fromByteOffset: key.count - 4, as: UInt32.self)
        let id = UInt32(bigEndian: number)
        guard let start = unsafe ChangeLog.Start(Array(value)), start.revision < Self.largestCeiling
        else {
          damaged = id
          return .stop
        }
        found[id] = start
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
