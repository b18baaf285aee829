import Bytes
import Engine
import Schema

/// Indexes: ids, states, and what becomes of them when the schema changes.
extension Catalogue {
  /// What a start does with the indexes of a schema.
  struct IndexChange {
    /// Of each model by full name, in the order of its indexes.
    var known: [String: [ModelIndexes.Known]] = [:]
    /// Entries of indexes that are gone.
    var dropped: [KeyRange] = []
    /// Whether anything is to be written.
    var isChanged = false
  }

  /// Compares the indexes of a schema with those that are stored.
  ///
  /// - Parameters:
  ///   - ids: of all models of the schema.
  ///   - nextID: the next free id, moved on by new indexes.
  ///   - batch: gets what is to be written.
  func adoptIndexes(
    of schema: CompiledSchema, ids: [String: UInt32], nextID: inout UInt32, in batch: WriteBatch
  ) throws(DatabaseError) -> IndexChange {
    var left = try storedIndexes()
    var change = IndexChange()
    for model in schema.models where !model.storedIndexes.isEmpty {
      guard let modelID = ids[model.fullName] else { continue }
      var known: [ModelIndexes.Known] = []
      for index in model.storedIndexes {
        let definition = IndexDefinitionBytes(index)
        let place = left.firstIndex {
          $0.index.modelID == modelID && $0.index.definition.hasSameEntries(as: definition)
        }
        var id = nextID
        var stored: StoredIndex
        if let place {
          (id, stored) = left.remove(at: place)
          let before = stored
          (stored.definition, stored.name) = (definition, index.name)
          if stored.state == .failed {
            // It is tried again: its records may have been mended.
            stored = StoredIndex(.building, modelID: modelID, index)
            batch.deleteRange(KeyPrefix(.index, model: id).all)
          }
          if stored != before { put(stored, id, in: batch, &change) }
        } else {
          guard nextID < .max else {
            throw .catalogueDamaged(path: directory, detail: "there are no ids of models left")
          }
          nextID += 1
          let isEmpty = try !hasRecords(modelID)
          stored = StoredIndex(isEmpty ? .ready : .building, modelID: modelID, index)
          put(stored, id, in: batch, &change)
        }
        known.append(
          ModelIndexes.Known(id: id, state: stored.openState, cursor: stored.cursor))
      }
      change.known[model.fullName] = known
    }
    for (id, _) in left {
      batch.delete(Self.indexKey(id))
      let range = KeyPrefix(.index, model: id).all
      batch.deleteRange(range)
      change.dropped.append(range)
      change.isChanged = true
    }
    return change
  }

  /// Throws all entries away, and has every index built anew.
  func restartIndexes() throws(DatabaseError) {
    let batch = WriteBatch()
    for (id, var index) in try storedIndexes() {
      (index.state, index.cursor, index.done, index.reasons) = (.building, [], 0, [])
      batch.put(Self.indexKey(id), index.bytes())
    }
    // Those of no index too.
    batch.deleteRange(KeyRange.prefix([KeyKind.index.rawValue]))
    try apply(batch)
  }

  private func put(
    _ stored: StoredIndex, _ id: UInt32, in batch: WriteBatch, _ change: inout IndexChange
  ) {
    batch.put(Self.indexKey(id), stored.bytes())
    change.isChanged = true
  }

  /// How many records a model has. Reads all of them.
  ///
  /// - Parameter name: the full name of a model of the stored schema.
  package func recordCount(ofModel name: String) throws(DatabaseError) -> UInt64 {
    guard let id = try number("model/" + name) else { return 0 }
    var count: UInt64 = 0
    do throws(EngineError) {
      _ = try engine.scan(
        KeyPrefix(.record, model: id).all, direction: .ascending, limit: .max, snapshot: nil,
        tier: .any
      ) { _, _ in
        count += 1
        return .next
      }
    } catch {
      throw .engine(error)
    }
    return count
  }

  /// All of them, by id.
  func storedIndexes() throws(DatabaseError) -> [(id: UInt32, index: StoredIndex)] {
    var found: [(id: UInt32, index: StoredIndex)] = []
    for (id, bytes) in try values(ofNumbered: Self.indexName) {
      guard let index = StoredIndex(bytes) else {
        throw .catalogueDamaged(path: directory, detail: "index \(id) cannot be read")
      }
      found.append((id, index))
    }
    return found
  }

  private static let indexName = "index/"

  static func indexKey(_ id: UInt32) -> [UInt8] { key(indexName, id) }
}
