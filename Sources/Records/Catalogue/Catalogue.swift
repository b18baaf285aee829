import Bytes
package import Engine
package import Schema

// SAFETY: the engine lends keys and values to a visit until that returns, arrays their bytes to a closure; what is kept
// is copied, and a number is loaded only where the count has room for it.

/// What a database knows of itself, kept in the store beside the records (key kind 0, model 0):
///
///     "format"           u32 little-endian: see ``StoreFormat``
///     "schema"           the compiled schema (CompiledSchema's container)
///     "identity"         16 bytes: tells this store from all others; the marker has it too
///     "next-model-id"    u32 little-endian: the id the next new model or index gets
///     "index/" id        u32 big-endian: what is known of an index, see ``StoredIndex``
///     "model/" fullName  u32 little-endian: the model's id
///     "revision-ceiling" u64 little-endian: no change has this revision or a higher one, see ``ChangeFeed``
///     "log/" id          u32 big-endian: what is known of a model's changes, see ``ChangeLog``
///     "earlier/" number  a compiled schema that another replaced; u32 big-endian, ascending in time. The
///                        last 16 are kept
///
/// A model's id is given once and never reused, not even after the model was dropped, so a new file
/// order or a new model moves no data and old keys never show up under another model.
package struct Catalogue {
  private static let prefix = KeyPrefix(.catalogue, model: 0)
  private static let firstModelID: UInt32 = 1
  private static let keptSchemaLimit = 16

  /// The store that it reads. Whoever makes a catalogue keeps it open.
  package let engine: any StorageEngine
  /// The data directory, for error sentences.
  package let directory: String

  package init(engine: any StorageEngine, directory: String) {
    self.engine = engine
    self.directory = directory
  }

  /// The stored schema; nil in a new database.
  package func storedSchema() throws(DatabaseError) -> CompiledSchema? {
    _ = try format()
    guard let bytes = try value("schema") else { return nil }
    do {
      return try unsafe bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    } catch {
      throw .catalogueDamaged(path: directory, detail: "\(error)")
    }
  }

  /// The highest format that a stored schema needed, whatever the stored one needs.
  ///
  /// - Throws: ``DatabaseError/newerFormat(path:version:)`` when a newer program made the catalogue.
  func format() throws(DatabaseError) -> StoreFormat {
    guard let number = try number("format") else { return .plain }
    guard let format = StoreFormat(rawValue: number) else {
      throw .newerFormat(path: directory, version: "catalogue \(number)")
    }
    return format
  }

  /// Which store this is; nil in one that an earlier program made, or nobody has finished.
  func identity() throws(DatabaseError) -> StoreIdentity? {
    guard let bytes = try value("identity") else { return nil }
    guard let identity = StoreIdentity(bytes) else {
      throw .catalogueDamaged(
        path: directory, detail: "identity has \(bytes.count) bytes, expected 16")
    }
    return identity
  }

  /// The store's identity; one is given, durably, to a store without.
  package func establishIdentity() throws(DatabaseError) -> StoreIdentity {
    if let identity = try identity() { return identity }
    let identity = StoreIdentity.random()
    let batch = WriteBatch()
    batch.put(Self.key("identity"), identity.bytes)
    try apply(batch)
    return identity
  }

  /// Takes `schema` over as the database's, if it breaks nothing that is stored.
  ///
  /// New models get ids, renamed ones keep theirs; models that are gone and have no records are forgotten, and those
  /// that are dropped are deleted with their records. All of it is one synced batch. An unchanged schema writes
  /// nothing, nor does an earlier one (``SchemaVerdict``): the stored schema stays.
  ///
  /// - Parameter willRaise: called before the first schema is written that needs a higher format. When it throws,
  ///   nothing of the schema is.
  /// - Throws: ``DatabaseError/schemaBreaks(_:)`` with every violation; nothing is changed then.
  package func adopt(
    _ schema: CompiledSchema, willRaise: (StoreFormat) throws(DatabaseError) -> Void = { _ in }
  ) throws(DatabaseError) -> AdoptedSchema {
    let stored = try storedSchema()
    let verdict = try verdict(on: schema, stored: stored)
    var ids = try stored.map { stored throws(DatabaseError) in try modelIDs(of: stored) } ?? [:]
    var changes = StoredModelChanges()
    switch verdict {
    case .breaks(let diagnostics): throw .schemaBreaks(diagnostics)
    case .precedes(let missing):
      // The indexes of the stored schema are kept, whatever the earlier one knows of them.
      let recordSchema = stored ?? schema
      let indexes = try adoptIndexes(of: recordSchema, ids: ids)
      return AdoptedSchema(
        modelIDs: ids, recordSchema: recordSchema, indexes: indexes, missing: missing)
    case .replaces(let models): changes = models
    case .first: break
    }
    if let stored, stored.serialized() == schema.serialized() {
      return AdoptedSchema(
        modelIDs: ids, recordSchema: schema, indexes: try adoptIndexes(of: schema, ids: ids))
    }
    let batch = WriteBatch()
    var nextID = try number("next-model-id") ?? Self.firstModelID
    let deleted = adoptModels(changes, ids: &ids, in: batch)
    for model in schema.models where ids[model.fullName] == nil {
      guard nextID < .max else {
        throw .catalogueDamaged(path: directory, detail: "there are no ids of models left")
      }
      ids[model.fullName] = nextID
      batch.put(Self.key("model/" + model.fullName), Self.bytes(nextID))
      nextID += 1
    }
    var indexes = try adoptIndexes(of: schema, ids: ids, nextID: &nextID, in: batch)
    indexes.dropped += deleted
    indexes.dropped += try adoptLogs(of: schema, ids: ids, in: batch)
    batch.put(Self.key("next-model-id"), Self.bytes(nextID))
    let before = try format()
    let format = max(before, StoreFormat(of: schema))
    batch.put(Self.key("format"), Self.bytes(format.rawValue))
    batch.put(Self.key("schema"), schema.serialized())
    var warnings: [Diagnostic] = []
    if let stored {
      warnings = changes.warnings(at: schema)
      warnings += SchemaCompatibility.warnings(old: stored, new: schema)
      if let warning = Self.warning(ofNameAfter: stored, schema) { warnings.append(warning) }
      if !SchemaCompatibility.isSame(stored, schema) { try keep(stored, in: batch) }
    }
    if format > before { try willRaise(format) }
    try apply(batch)
    return AdoptedSchema(
      modelIDs: ids, recordSchema: schema, indexes: indexes, warnings: warnings)
  }

  /// Looks after the indexes of a schema that is stored already.
  private func adoptIndexes(
    of schema: CompiledSchema, ids: [String: UInt32]
  ) throws(DatabaseError) -> IndexChange {
    let batch = WriteBatch()
    var nextID = try number("next-model-id") ?? Self.firstModelID
    let change = try adoptIndexes(of: schema, ids: ids, nextID: &nextID, in: batch)
    guard change.isChanged else { return change }
    batch.put(Self.key("next-model-id"), Self.bytes(nextID))
    try apply(batch)
    return change
  }

  /// Durable when it returns.
  func apply(_ batch: WriteBatch) throws(DatabaseError) {
    do throws(EngineError) {
      try engine.apply(batch, durability: .sync)
    } catch {
      throw .engine(error)
    }
  }

  /// The service is called by its name, so another one is another service to a client.
  private static func warning(
    ofNameAfter stored: CompiledSchema, _ schema: CompiledSchema
  ) -> Diagnostic? {
    guard stored.serviceName != schema.serviceName else { return nil }
    return Diagnostic(
      file: schema.sourceName, line: 1, column: 1,
      message:
        "the service was called \(stored.serviceName) and is \(schema.serviceName) now: clients made for the "
        + "old name do not find it. To keep the old one, give --name \(stored.databaseName.text)")
  }

  // MARK: - Earlier schemas

  /// Adds a schema that is being replaced to those that are kept.
  private func keep(_ schema: CompiledSchema, in batch: WriteBatch) throws(DatabaseError) {
    let kept = try keptSchemas()
    let number = (kept.last?.number ?? 0) &+ 1
    batch.put(Self.earlierKey(number), schema.serialized())
    for entry in kept.dropLast(Self.keptSchemaLimit - 1) {
      batch.delete(Self.earlierKey(entry.number))
    }
  }

  /// Whether the database had this schema before, whatever its comments and names were, and it said then that the
  /// models may go which it would delete now.
  func isKept(_ schema: CompiledSchema, deleting models: [String]) throws(DatabaseError) -> Bool {
    for entry in try keptSchemas() {
      let kept = try? unsafe entry.bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
      if let kept, SchemaCompatibility.isSame(kept, schema),
        models.allSatisfy(kept.droppedModels.contains)
      {
        return true
      }
    }
    return false
  }

  private func keptSchemas() throws(DatabaseError) -> [(number: UInt32, bytes: [UInt8])] {
    try values(ofNumbered: Self.earlierName)
  }

  private static let earlierName = "earlier/"

  private static func earlierKey(_ number: UInt32) -> [UInt8] { key(earlierName, number) }

  // MARK: - Models

  func modelIDs(of schema: CompiledSchema) throws(DatabaseError) -> [String: UInt32] {
    var ids: [String: UInt32] = [:]
    for model in schema.models {
      guard let id = try number("model/" + model.fullName) else {
        throw .catalogueDamaged(path: directory, detail: "model \(model.fullName) has no id")
      }
      ids[model.fullName] = id
    }
    return ids
  }

  /// - Parameter name: the full name of a model of the stored schema.
  package func hasRecords(ofModel name: String) throws(DatabaseError) -> Bool {
    guard let id = try number("model/" + name) else {
      throw .catalogueDamaged(path: directory, detail: "model \(name) has no id")
    }
    return try hasRecords(id)
  }

  func hasRecords(_ id: UInt32) throws(DatabaseError) -> Bool {
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

  static func key(_ name: String) -> [UInt8] { prefix.key(name.utf8) }

  /// Of a name with a number after it, u32 big-endian: they are in the order of their numbers.
  static func key(_ name: String, _ number: UInt32) -> [UInt8] {
    unsafe key(name) + withUnsafeBytes(of: number.bigEndian) { unsafe Array($0) }
  }

  /// What is stored under a name with numbers after it, ascending.
  func values(
    ofNumbered name: String
  ) throws(DatabaseError) -> [(number: UInt32, bytes: [UInt8])] {
    var found: [(number: UInt32, bytes: [UInt8])] = []
    let prefix = Self.key(name)
    do throws(EngineError) {
      _ = try engine.scan(
        KeyRange.prefix(prefix), direction: .ascending, limit: .max, snapshot: nil, tier: .any
      ) { key, value in
        guard key.count == prefix.count + 4 else { return .next }
        let number = unsafe key.loadUnaligned(fromByteOffset: key.count - 4, as: UInt32.self)
        unsafe found.append((UInt32(bigEndian: number), Array(value)))
        return .next
      }
    } catch {
      throw .engine(error)
    }
    return found
  }

  static func bytes(_ number: UInt32) -> [UInt8] {
    var writer = ByteWriter()
    writer.appendLittleEndian(number)
    return writer.array()
  }

  func value(_ name: String) throws(DatabaseError) -> [UInt8]? {
    do throws(EngineError) {
      return try engine.value(forKey: Self.key(name))
    } catch {
      throw .engine(error)
    }
  }

  func number(_ name: String) throws(DatabaseError) -> UInt32? {
    guard let bytes = try value(name) else { return nil }
    guard bytes.count == 4 else {
      throw .catalogueDamaged(
        path: directory, detail: "\(name) has \(bytes.count) bytes, expected 4")
    }
    return unsafe bytes.withUnsafeBytes {
      unsafe UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))
    }
  }
}
