import SwiftProtobuf

/// Changes that keep stored bytes readable and may yet change what they mean.
extension SchemaCompatibility {
  /// Warns when a compatible type reads some values as others.
  mutating func warnOfType(
    _ old: FieldProto, _ new: FieldProto, _ subject: String, _ place: DeclarationIndex.Place
  ) {
    guard old.type != new.type, let loss = Self.loss(from: old.type, to: new.type) else { return }
    warn(
      place, [DescriptorPath.fieldType],
      "\(subject) changed its type from \(FieldKind.name(of: old)) to "
        + "\(FieldKind.name(of: new)): \(loss)")
  }

  /// Warns of another name, and of presence that is not seen any more.
  mutating func warnOfMeaning(
    _ old: FieldProto, _ new: FieldProto, _ subject: String, _ place: DeclarationIndex.Place
  ) {
    if old.name != new.name {
      warn(
        place, [DescriptorPath.name],
        "\(subject) was called `\(old.name)`: if it means something else now, reserve "
          + "\(new.number) and use a new number; JSON and text formats have the new name")
    }
    if old.proto3Optional, !new.proto3Optional, !new.hasOneofIndex, new.label == .optional {
      warn(
        place, [],
        "\(subject) is not `optional` any more: records without it and records with its default "
          + "value look the same")
    }
  }

  /// Warns when a number of an enum has none of the names that it had.
  mutating func checkNames(_ old: DeclarationIndex.Enum, _ new: DeclarationIndex.Enum) {
    var oldNames: [Int32: [String]] = [:]
    for value in old.declaration.value { oldNames[value.number, default: []].append(value.name) }
    let newNames = Dictionary(
      grouping: new.declaration.value.enumerated(), by: { $0.element.number })
    for (number, names) in oldNames {
      guard let values = newNames[number], let first = values.first,
        !values.contains(where: { names.contains($0.element.name) })
      else { continue }
      warn(
        new.place, [DescriptorPath.enumValue, Int32(first.offset)],
        "value \(first.element.name) (\(number)) of enum \(new.name) was called \(names[0]): if it "
          + "means something else now, reserve \(number) and use a new number")
    }
  }

  private typealias Kind = FieldProto.TypeEnum

  /// What becomes of values that the new type does not have; nil when it has all.
  private static func loss(from old: Kind, to new: Kind) -> String? {
    if old == .string && new == .bytes {
      return "clients with the old schema cannot read values that are not UTF-8"
    }
    if old == .bool { return nil }
    if new == .bool { return "every value but 0 is read as true" }
    var losses: [String] = []
    if isWide(old) && !isWide(new) { losses.append("values of more than 32 bits are cut off") }
    if isSigned(old) && !isSigned(new) {
      losses.append("negative values are read as large ones")
    } else if !isSigned(old) && isSigned(new) && isWide(old) == isWide(new) {
      losses.append("large values are read as negative ones")
    }
    return losses.isEmpty ? nil : losses.joined(separator: ", ")
  }

  private static func isWide(_ type: Kind) -> Bool {
    [.int64, .uint64, .sint64, .fixed64, .sfixed64].contains(type)
  }

  private static func isSigned(_ type: Kind) -> Bool {
    ![.uint32, .uint64, .fixed32, .fixed64].contains(type)
  }
}
