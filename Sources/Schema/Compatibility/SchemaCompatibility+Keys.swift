import SwiftProtobuf

/// Keys that are made of columns: a change that would give stored records other keys is refused.
extension SchemaCompatibility {
  mutating func checkKey(_ old: Model, _ new: Model, _ message: DeclarationIndex.Message) {
    let (columns, newColumns) = (old.key.columns, new.key.columns)
    guard columns.count == newColumns.count,
      zip(columns, newColumns).allSatisfy({
        $0.number == $1.number && $0.isDescending == $1.isDescending
      })
    else {
      return report(
        "KEY_SAME_COLUMNS", message.place,
        [DescriptorPath.messageOptions, Int32(OptionsFile.extensionNumber)],
        "the key of model \(new.name) changed from \"\(old.key.text)\" to \"\(new.key.text)\": change it back, the "
          + "stored records are ordered by the old one")
    }
    for (column, newColumn) in zip(columns, newColumns) { check(column, newColumn, message) }
  }

  private mutating func check(
    _ old: Column, _ new: Column, _ message: DeclarationIndex.Message
  ) {
    let field = message.declaration.field.firstIndex { $0.number == new.number }
    let path = field.map { [DescriptorPath.messageField, Int32($0)] } ?? []
    let subject = "field `\(new.name)` (\(new.number)) of the key of \(message.name)"
    if !old.kind.hasSameBytes(in: new.kind) {
      report(
        "KEY_SAME_TYPE", message.place, path,
        "\(subject) changed its type from \(old.kind.name) to \(new.kind.name): change it back, the stored keys hold "
          + "the old one")
    }
    if old.hasPresence != new.hasPresence {
      report(
        "KEY_SAME_PRESENCE", message.place, path,
        "\(subject) \(new.hasPresence ? "became optional" : "is optional no more"): change it back, a field that is "
          + "not set would mean something else")
    }
  }
}
