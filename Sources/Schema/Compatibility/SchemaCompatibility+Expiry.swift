/// When records end, and whether changes are kept: what a change of that does to what is stored.
extension SchemaCompatibility {
  /// Warns when changes that are kept will go.
  mutating func warnOfWatch(oldSchema: CompiledSchema) {
    for old in oldSchema.models where old.watch != nil {
      let name = newNames[old.fullName] ?? old.fullName
      guard let model = newSchema.models.first(where: { $0.fullName == name }),
        model.watch == nil, let message = new.messages[name]
      else { continue }
      warn(
        message.place, [],
        "changes of model \(model.name) are not kept any more: those that are kept are deleted, and nobody can watch them"
      )
    }
  }

  mutating func warnOfExpiry(oldSchema: CompiledSchema) {
    for model in newSchema.models {
      let old = oldSchema.models.first {
        (newNames[$0.fullName] ?? $0.fullName) == model.fullName
      }
      guard let old, old.expiry?.path != model.expiry?.path,
        let message = new.messages[model.fullName]
      else { continue }
      warn(
        message.place, model.expiry == nil ? [] : [DescriptorPath.messageOptions],
        "records of model \(model.name) \(Self.change(from: old.expiry, to: model.expiry))")
    }
  }

  private static func change(from old: Column?, to new: Column?) -> String {
    switch (old, new) {
    case (let old?, nil):
      "ended by `\(old.name)`, and do not end any more: what it says has no effect"
    case (nil, let new?):
      "end by `\(new.name)` now: those whose time has passed are deleted"
    default:
      "ended by `\(old?.name ?? "")`, and end by `\(new?.name ?? "")` now: those whose time has passed are deleted"
    }
  }
}
