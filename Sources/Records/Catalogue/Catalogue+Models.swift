import Bytes
import Engine
package import Schema

/// Models: what becomes of them when the schema changes.
extension Catalogue {
  /// What would become of `schema` at a start. Changes nothing; a read-only engine will do.
  package func verdict(on schema: CompiledSchema) throws(DatabaseError) -> SchemaVerdict {
    try verdict(on: schema, stored: try storedSchema())
  }

  func verdict(
    on schema: CompiledSchema, stored: CompiledSchema?
  ) throws(DatabaseError) -> SchemaVerdict {
    guard let stored else { return .first }
    let said = ModelChanges(old: stored, new: schema)
    var changes = StoredModelChanges(renamed: said.renamed)
    var broken: [SchemaCompatibility.Violation] = []
    for violation in SchemaCompatibility.violations(old: stored, new: schema) {
      if let name = violation.deletedModel, try !hasRecords(ofModel: name) {
        changes.forgotten.append(name)
      } else {
        broken.append(violation)
      }
    }
    for name in said.dropped {
      if try hasRecords(ofModel: name) {
        changes.deleted.append(name)
      } else {
        changes.forgotten.append(name)
      }
    }
    let mayReplace = broken.isEmpty
    // What is said of models in a schema of before they were added is not said of them.
    if mayReplace && changes.deleted.isEmpty { return .replaces(changes) }
    let otherwise = mayReplace ? .replaces(changes) : SchemaVerdict.breaks(broken.map(\.diagnostic))
    guard let missing = SchemaCompatibility.additions(of: stored, over: schema) else {
      return otherwise
    }
    // A schema without a model that has records was served before, or the model was deleted by an edit.
    let lacksRecords = !changes.deleted.isEmpty || broken.contains { $0.deletedModel != nil }
    if lacksRecords, try !isKept(schema, deleting: changes.deleted) { return otherwise }
    return .precedes(missing: missing)
  }

  /// Gives the ids of the stored schema's models on, and those up that nobody has any more.
  ///
  /// - Parameters:
  ///   - ids: of the stored schema's models; what is left of them, under their new names.
  ///   - batch: gets what is to be written.
  /// - Returns: the records that are deleted.
  func adoptModels(
    _ changes: StoredModelChanges, ids: inout [String: UInt32], in batch: WriteBatch
  ) -> [KeyRange] {
    func take(_ name: String) -> UInt32? {
      batch.delete(Self.key("model/" + name))
      return ids.removeValue(forKey: name)
    }
    for name in changes.forgotten { _ = take(name) }
    var deleted: [KeyRange] = []
    for name in changes.deleted {
      guard let id = take(name) else { continue }
      let range = KeyPrefix(.record, model: id).all
      batch.deleteRange(range)
      deleted.append(range)
    }
    let taken = changes.renamed.map { ($0.newName, take($0.oldName)) }
    for (name, id) in taken {
      guard let id else { continue }
      ids[name] = id
      batch.put(Self.key("model/" + name), Self.bytes(id))
    }
    return deleted
  }
}
