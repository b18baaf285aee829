import SwiftProtobuf

extension SchemaCompatibility {
  typealias FieldProto = Google_Protobuf_FieldDescriptorProto

  /// Checks the new declaration of a field against the old one with the same number.
  /// - Parameters:
  ///   - oneofs: the names of the oneofs of the old and the new message; nil for extensions.
  ///   - owner: the message with the field, as it is named to the user.
  mutating func checkFieldPair(
    _ old: FieldProto, _ new: FieldProto, place: DeclarationIndex.Place, isMapEntry: Bool,
    oneofs: (old: [String], new: [String])?, owner: String
  ) {
    let subject = "field `\(new.name)` (\(new.number)) of \(owner)"
    if !isMapEntry, Cardinality(old) != Cardinality(new) {
      report(
        "FIELD_WIRE_COMPATIBLE_CARDINALITY", place, [DescriptorPath.fieldLabel],
        "\(subject) changed from \(Cardinality(old)) to \(Cardinality(new)): change it back, or "
          + "reserve \(new.number) and use a new number")
    }
    if checkType(old, new, subject, place) { warnOfType(old, new, subject, place) }
    if !isMapEntry { warnOfMeaning(old, new, subject, place) }
    checkDefault(old, new, subject, place)
    if let oneofs { checkOneof(old, new, oneofs, subject, place) }
  }

  // MARK: - Cardinality

  private enum Cardinality: CustomStringConvertible {
    case singular, required, repeated

    init(_ field: FieldProto) {
      switch field.label {
      case .optional: self = .singular
      case .required: self = .required
      case .repeated: self = .repeated
      }
    }

    var description: String {
      switch self {
      case .singular: "singular"
      case .required: "required"
      case .repeated: "repeated"
      }
    }
  }

  // MARK: - Type

  /// Types of one group read each other's bytes.
  private static func wireGroup(_ type: FieldProto.TypeEnum) -> Int {
    switch type {
    case .int32, .int64, .uint32, .uint64, .bool: 1
    case .sint32, .sint64: 2
    case .string: 3
    case .bytes: 4
    case .fixed32, .sfixed32: 5
    case .fixed64, .sfixed64: 6
    case .double: 7
    case .float: 8
    case .group: 9
    case .message: 10
    case .enum: 11
    }
  }

  /// - Returns: whether stored bytes can be read by the new type.
  private mutating func checkType(
    _ old: FieldProto, _ new: FieldProto, _ subject: String, _ place: DeclarationIndex.Place
  ) -> Bool {
    let isCompatible: Bool
    if Self.wireGroup(old.type) != Self.wireGroup(new.type) {
      isCompatible = old.type == .string && new.type == .bytes
    } else if newName(ofType: old.typeName) == new.typeName {
      isCompatible = true
    } else {
      isCompatible = new.type == .enum && isSameEnum(old.typeName, new.typeName)
    }
    guard !isCompatible else { return true }
    let part = new.hasTypeName ? DescriptorPath.fieldTypeName : DescriptorPath.fieldType
    report(
      "FIELD_WIRE_COMPATIBLE_TYPE", place, [part],
      "\(subject) changed its type from \(FieldKind.name(of: old)) to \(FieldKind.name(of: new)): "
        + "change it back, or reserve \(new.number) and use a new number")
    return false
  }

  /// An enum that has moved is the same when it has kept its name and all its values.
  private func isSameEnum(_ oldName: String, _ newName: String) -> Bool {
    guard let old = self.old.enumeration(oldName), let new = self.new.enumeration(newName),
      old.declaration.name == new.declaration.name
    else { return false }
    let values = Set(new.declaration.value.map { EnumValue(name: $0.name, number: $0.number) })
    return old.declaration.value.allSatisfy {
      values.contains(EnumValue(name: $0.name, number: $0.number))
    }
  }

  private struct EnumValue: Hashable {
    let name: String
    let number: Int32
  }

  // MARK: - Oneof

  private mutating func checkOneof(
    _ old: FieldProto, _ new: FieldProto, _ names: (old: [String], new: [String]),
    _ subject: String, _ place: DeclarationIndex.Place
  ) {
    let oldOneof = Self.oneof(of: old, names.old)
    let newOneof = Self.oneof(of: new, names.new)
    guard oldOneof != newOneof else { return }
    let change =
      switch (oldOneof, newOneof) {
      case (let oldOneof?, let newOneof?): "moved from oneof \(oldOneof) to oneof \(newOneof)"
      case (let oldOneof?, nil): "moved out of oneof \(oldOneof)"
      case (nil, let newOneof?): "moved into oneof \(newOneof)"
      case (nil, nil): "changed"
      }
    report(
      "FIELD_SAME_ONEOF", place, [],
      "\(subject) \(change): move it back, or reserve \(new.number) and use a new number")
  }

  /// The oneof of proto3's `optional` is none.
  private static func oneof(of field: FieldProto, _ names: [String]) -> String? {
    guard field.hasOneofIndex, !field.proto3Optional,
      names.indices.contains(Int(field.oneofIndex))
    else { return nil }
    return names[Int(field.oneofIndex)]
  }

  // MARK: - Default

  private mutating func checkDefault(
    _ old: FieldProto, _ new: FieldProto, _ subject: String, _ place: DeclarationIndex.Place
  ) {
    guard let oldDefault = FieldDefault(old, enums: self.old),
      let newDefault = FieldDefault(new, enums: self.new), oldDefault != newDefault,
      !(oldDefault.isZero && newDefault.isZero)
    else { return }
    report(
      "FIELD_SAME_DEFAULT", place, [DescriptorPath.fieldDefault],
      "\(subject) changed its default from \(oldDefault) to \(newDefault): change it back")
  }
}
