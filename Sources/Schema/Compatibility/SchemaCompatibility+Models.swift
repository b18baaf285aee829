import SwiftProtobuf

/// Models: whether they are there, under which name, and by which key.
extension SchemaCompatibility {
  /// The full name that a type of the old schema has in the new one: the types in a renamed model move with it.
  func newName(of name: String) -> String {
    guard !newNames.isEmpty else { return name }
    if let new = newNames[name] { return new }
    for dot in name.indices where name[dot] == "." {
      if let new = newNames[String(name[..<dot])] { return new + name[dot...] }
    }
    return name
  }

  /// Of a type as a field has it, with a leading dot; of a field without one nothing.
  func newName(ofType name: String) -> String {
    name.isEmpty ? name : "." + newName(of: String(name.dropFirst()))
  }

  mutating func checkModels(oldSchema: CompiledSchema) {
    let newModels = Dictionary(
      newSchema.models.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let byFullName = Dictionary(
      newSchema.models.map { ($0.fullName, $0) }, uniquingKeysWith: { first, _ in first })
    for model in oldSchema.models where !changes.dropped.contains(model.fullName) {
      let renamed = newNames[model.fullName].flatMap { byFullName[$0] }
      guard let newModel = renamed ?? newModels[model.name] else {
        reportDeleted(model)
        continue
      }
      guard let message = message(newModel.name) else { continue }
      guard model.hasPlainKey && newModel.hasPlainKey else {
        checkKey(model, newModel, message)
        continue
      }
      guard newModel.keyFieldNumber != model.keyFieldNumber else { continue }
      let field = message.declaration.field.firstIndex { $0.number == newModel.keyFieldNumber }
      report(
        "KEY_SAME_FIELD", message.place,
        field.map { [DescriptorPath.messageField, Int32($0)] } ?? [],
        "`pk` of model \(newModel.name) changed its number from \(model.keyFieldNumber) to "
          + "\(newModel.keyFieldNumber): change it back, the stored records have their key in "
          + "field \(model.keyFieldNumber)")
    }
  }

  private func message(_ name: String) -> DeclarationIndex.Message? {
    new.messages["\(newSchema.packageName).\(name)"]
  }

  private mutating func reportDeleted(_ model: Model) {
    let drop = "{dropped: \"\(model.name)\"} in option (seandb.file)"
    var place = DeclarationIndex.Place(file: new.rootFile, path: [])
    var part: [Int32] = []
    let text: String
    if let message = message(model.name) {
      (place, part) = (message.place, [DescriptorPath.name])
      text =
        "model \(model.name) lost its `string pk`: put it back, say \(drop) when its records may go, or delete them first"
    } else if let heir = newSchema.models.first(where: { $0.previousFullName == model.fullName }) {
      if let message = message(heir.name) {
        place = message.place
        part = [
          DescriptorPath.messageOptions, Int32(OptionsFile.extensionNumber),
          Int32(OptionsFile.ModelField.previously.rawValue),
        ]
      }
      text =
        "model \(model.name) cannot become model \(heir.name), which is there already: put it back, say \(drop) when its "
        + "records may go, or delete them first"
    } else {
      text =
        "model \(model.name) was deleted or renamed: put it back, say {previously: \"\(model.name)\"} in the model that it "
        + "has become, say \(drop) when its records may go, or delete them first"
    }
    report(
      "MODEL_NO_DELETE", place, part, text, missing: "model \(model.name)",
      deletedModel: model.fullName)
  }
}
