/// What a schema says became of models of an older one. All names have their package.
package struct ModelChanges: Sendable, Equatable {
  /// A model that keeps its records under another name.
  package struct Renaming: Sendable, Equatable {
    /// In the old schema.
    package let oldName: String
    /// In the new one.
    package let newName: String
  }

  /// In the order of the new schema.
  package let renamed: [Renaming]
  /// Models of the old schema that are gone and whose records may go.
  package let dropped: [String]

  /// - Complexity: O(models).
  package init(old: CompiledSchema, new: CompiledSchema) {
    let oldNames = Set(old.models.map(\.fullName))
    let newNames = Set(new.models.map(\.fullName))
    renamed = new.models.compactMap { model in
      // A model that is there under the new name has records of its own.
      guard let name = model.previousFullName, oldNames.contains(name),
        !oldNames.contains(model.fullName)
      else { return nil }
      return Renaming(oldName: name, newName: model.fullName)
    }
    let dropped = Set(new.droppedModels)
    self.dropped = old.models.map(\.fullName).filter {
      dropped.contains($0) && !newNames.contains($0)
    }
  }

  /// Whether nothing became of any.
  package var isEmpty: Bool { renamed.isEmpty && dropped.isEmpty }
}
