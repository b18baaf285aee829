package import Engine
package import Schema

/// What becomes of a schema when a server is started with it on a database.
package enum SchemaVerdict: Sendable {
  /// The database has none yet.
  case first
  /// It takes the stored schema's place.
  case replaces(StoredModelChanges)
  /// It is an earlier one: the stored schema is newer by additions alone (`missing`), so every record can
  /// be read. It is served, and the stored schema stays (docs/decisions/0013).
  case precedes(missing: [String])
  /// It breaks what is stored.
  case breaks([Diagnostic])
}

/// What becomes of models of the stored schema, by full name.
package struct StoredModelChanges: Sendable, Equatable {
  /// Models that keep their records under other names.
  package internal(set) var renamed: [ModelChanges.Renaming] = []
  /// Models that are gone and have no records.
  package internal(set) var forgotten: [String] = []
  /// Models that are gone with their records, as the schema says.
  package internal(set) var deleted: [String] = []

  /// What the log says of them once it is done.
  func warnings(at schema: CompiledSchema) -> [Diagnostic] {
    renamed.map {
      schema.diagnostic(
        atModel: $0.newName,
        "model \($0.newName) has the records of \($0.oldName) now: clients that were made for the old name do not find "
          + "its calls")
    }
      + deleted.map {
        schema.diagnostic(atDropped: $0, "model \($0) is gone, and its records were deleted")
      }
  }
}

/// How a database serves a schema.
package struct AdoptedSchema: Sendable {
  /// The id of each model of the stored schema, by full name.
  package let modelIDs: [String: UInt32]
  /// By which records are checked before they are stored: the stored schema, so that a later start with it
  /// finds no record that it would have refused.
  package let recordSchema: CompiledSchema
  /// What the stored schema has and the served one lacks; empty unless an earlier schema is served.
  package let missing: [String]
  /// What the change from the schema that was stored before may do to the meaning of records.
  package let warnings: [Diagnostic]
  /// What is known of the indexes of each model of ``recordSchema``, by full name and in their order.
  package let indexes: [String: [ModelIndexes.Known]]
  /// Entries of indexes that are gone, whose space is to come back.
  package let droppedEntries: [KeyRange]

  init(
    modelIDs: [String: UInt32], recordSchema: CompiledSchema, indexes: Catalogue.IndexChange,
    missing: [String] = [], warnings: [Diagnostic] = []
  ) {
    self.indexes = indexes.known
    droppedEntries = indexes.dropped
    self.modelIDs = modelIDs
    self.recordSchema = recordSchema
    self.missing = missing
    self.warnings = warnings
  }
}
