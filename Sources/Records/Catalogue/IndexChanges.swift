package import Schema

/// What a change of the schema does to indexes. Those whose definition stays, whatever they are called, stay.
package struct IndexChanges: Sendable {
  /// An index of a model.
  package struct Index: Sendable, Equatable {
    /// Full name, in the new schema if it is there.
    package let model: String
    /// The same in the old schema; nil for a model that is new.
    package let oldModel: String?
    /// Of the index.
    package let name: String
    /// As in the option: `breed, -age`.
    package let fields: String
  }

  /// Made from the records that are there.
  package private(set) var built: [Index] = []
  /// Their entries go.
  package private(set) var dropped: [Index] = []

  /// - Complexity: O(indexes of a model squared).
  package init(old: CompiledSchema, new: CompiledSchema) {
    let newNames = Dictionary(
      ModelChanges(old: old, new: new).renamed.map { ($0.oldName, $0.newName) },
      uniquingKeysWith: { first, _ in first })
    // By the names of the new schema.
    var left: [String: [ModelIndex]] = [:]
    var oldNames: [String: String] = [:]
    for model in old.models {
      let name = newNames[model.fullName] ?? model.fullName
      left[name] = model.storedIndexes
      oldNames[name] = model.fullName
    }
    for model in new.models {
      let name = model.fullName
      for index in model.storedIndexes {
        let definition = IndexDefinitionBytes(index)
        let place = left[name]?.firstIndex {
          IndexDefinitionBytes($0).hasSameEntries(as: definition)
        }
        if let place {
          left[name]?.remove(at: place)
        } else {
          built.append(
            Index(model: name, oldModel: oldNames[name], name: index.name, fields: index.text))
        }
      }
    }
    for model in old.models {
      let name = newNames[model.fullName] ?? model.fullName
      for index in left[name] ?? [] {
        dropped.append(
          Index(model: name, oldModel: model.fullName, name: index.name, fields: index.text))
      }
    }
  }
}
