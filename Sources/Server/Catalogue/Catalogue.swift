import Bytes
package import Engine
package import Schema

/// What a database knows of itself, kept in the store beside the records (key kind 0, model 0):
///
///     "format"           u32 little-endian: the catalogue's format, 1
///     "schema"           the compiled schema (CompiledSchema's container)
///     "next-model-id"    u32 little-endian: the id the next new model gets
///     "model/" fullName  u32 little-endian: the model's id
///
/// A model's id is given once and never reused, not even after the model was dropped, so a new file
/// order or a new model moves no data and old keys never show up under another model.
package struct Catalogue {
  package static let format: UInt32 = 1
  private static let prefix = KeyPrefix(.catalogue, model: 0)
  private static let firstModelID: UInt32 = 1

  package let engine: any StorageEngine
  /// The data directory, for error sentences.
  package let directory: String

  package init(engine: any StorageEngine, directory: String) {
    self.engine = engine
    self.directory = directory
  }

  /// The stored schema; nil in a new database.
  package func storedSchema() throws(ServerError) -> CompiledSchema? {
    if let format = try number("format"), format != Self.format {
      throw .newerFormat(path: directory, version: "catalogue \(format)")
    }
    guard let bytes = try value("schema") else { return nil }
    do {
      return try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    } catch {
      throw .catalogueDamaged(path: directory, detail: "\(error)")
    }
  }

  /// Takes `schema` over as the database's, if it breaks nothing that is stored.
  ///
  /// New models get ids; models that are gone and have no records are forgotten. All of it is one synced
  /// batch. An unchanged schema writes nothing.
  ///
  /// - Returns: the id of each model, by full name.
  /// - Throws: ``ServerError/schemaBreaks(_:)`` with every violation; nothing is changed then.
  package func adopt(_ schema: CompiledSchema) throws(ServerError) -> [String: UInt32] {
    let stored = try storedSchema()
    var ids: [String: UInt32] = [:]
    var forgotten: [String] = []
    if let stored {
      ids = try modelIDs(of: stored)
      forgotten = try checkCompatibility(from: stored, to: schema, ids: ids)
      if stored.serialized() == schema.serialized() { return ids }
    }
    let batch = WriteBatch()
    var nextID = try number("next-model-id") ?? Self.firstModelID
    for name in forgotten {
      ids[name] = nil
      batch.delete(Self.key("model/" + name))
    }
    for model in schema.models where ids[model.fullName] == nil {
      ids[model.fullName] = nextID
      batch.put(Self.key("model/" + model.fullName), Self.bytes(nextID))
      nextID += 1
    }
    batch.put(Self.key("next-model-id"), Self.bytes(nextID))
    batch.put(Self.key("format"), Self.bytes(Self.format))
    batch.put(Self.key("schema"), schema.serialized())
    do throws(EngineError) {
      try engine.apply(batch, durability: .sync)
    } catch {
      throw .engine(error)
    }
    return ids
  }

  /// - Returns: the names of models that are gone and may be forgotten.
  private func checkCompatibility(
    from stored: CompiledSchema, to schema: CompiledSchema, ids: [String: UInt32]
  ) throws(ServerError) -> [String] {
    var broken: [Diagnostic] = []
    var forgotten: [String] = []
    for violation in SchemaCompatibility.violations(old: stored, new: schema) {
      if let name = violation.modelWithRecords, let id = ids[name], try !hasRecords(id) {
        forgotten.append(name)
      } else {
        broken.append(violation.diagnostic)
      }
    }
    guard broken.isEmpty else { throw .schemaBreaks(broken) }
    return forgotten
  }

  private func modelIDs(of schema: CompiledSchema) throws(ServerError) -> [String: UInt32] {
    var ids: [String: UInt32] = [:]
    for model in schema.models {
      guard let id = try number("model/" + model.fullName) else {
        throw .catalogueDamaged(path: directory, detail: "model \(model.fullName) has no id")
      }
      ids[model.fullName] = id
    }
    return ids
  }

  private func hasRecords(_ id: UInt32) throws(ServerError) -> Bool {
    var found = false
    do throws(EngineError) {
      _ = try engine.scan(
        KeyPrefix(.record, model: id).all, direction: .ascending, limit: 1, snapshot: nil,
        tier: .any
      ) { _, _ in
        found = true
        return .stop
      }
    } catch {
      throw .engine(error)
    }
    return found
  }

  // MARK: - Entries

  private static func key(_ name: String) -> [UInt8] { prefix.key(name.utf8) }

  private static func bytes(_ number: UInt32) -> [UInt8] {
    var writer = ByteWriter()
    writer.appendLittleEndian(number)
    return writer.array()
  }

  private func value(_ name: String) throws(ServerError) -> [UInt8]? {
    do throws(EngineError) {
      return try engine.value(forKey: Self.key(name))
    } catch {
      throw .engine(error)
    }
  }

  private func number(_ name: String) throws(ServerError) -> UInt32? {
    guard let bytes = try value(name) else { return nil }
    guard bytes.count == 4 else {
      throw .catalogueDamaged(
        path: directory, detail: "\(name) has \(bytes.count) bytes, expected 4")
    }
    return bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
  }
}
