/// When records end: what a change of that does to those that are stored.
extension SchemaCompatibility {
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
