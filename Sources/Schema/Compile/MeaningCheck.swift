import SwiftProtobuf

/// Sees to it that adding a package and the generated messages leaves the user's declarations as they
/// were: a name could now mean another type (`Empty`, which every database has).
struct MeaningCheck {
  private typealias Field = Google_Protobuf_FieldDescriptorProto
  private typealias Message = Google_Protobuf_DescriptorProto

  private let insertion: PackageInsertion?
  private let generatedFile: String
  private let positions: SourcePositions
  private(set) var violations: [Diagnostic] = []

  /// - Parameters:
  ///   - root: the schema's file.
  ///   - generated: that of `database.proto`, which begins with the same declarations.
  ///   - defaultPackage: the package of a schema that has none.
  init(
    root: Google_Protobuf_FileDescriptorProto, generated: Google_Protobuf_FileDescriptorProto,
    defaultPackage: String, positions: SourcePositions
  ) {
    self.positions = positions
    generatedFile = generated.name
    insertion =
      root.package.isEmpty
      ? PackageInsertion(defaultPackage, rootDeclarations: root) : nil
    for (index, message) in root.messageType.enumerated() {
      guard index < generated.messageType.count else { break }
      compare(
        message, generated.messageType[index], [DescriptorPath.message, Int32(index)],
        name: message.name)
    }
    for (index, declaration) in root.enumType.enumerated()
    where index >= generated.enumType.count || generated.enumType[index] != declaration {
      reportOption("enum \(declaration.name)", [DescriptorPath.fileEnum, Int32(index)])
    }
    compare(root.extension, generated.extension, [DescriptorPath.fileExtension], of: "the file")
    for (index, service) in root.service.enumerated() where index < generated.service.count {
      compare(service, generated.service[index], [DescriptorPath.service, Int32(index)])
    }
    if root.options != generated.options { reportOption("the file", []) }
    violations.sort { ($0.line, $0.column) < ($1.line, $1.column) }
  }

  // MARK: - Declarations

  private mutating func compare(
    _ old: Message, _ new: Message, _ path: [Int32], name: String
  ) {
    let count = violations.count
    for (index, field) in old.field.enumerated() where index < new.field.count {
      compare(
        field, new.field[index], path + [DescriptorPath.messageField, Int32(index)],
        "field `\(field.name)` of message \(name)")
    }
    compare(
      old.extension, new.extension, path + [DescriptorPath.nestedExtension], of: "message \(name)")
    for (index, nested) in old.nestedType.enumerated() where index < new.nestedType.count {
      // The entry of a map is written nowhere; its field is.
      let field = old.field.firstIndex { $0.typeName.hasSuffix(".\(name).\(nested.name)") }
      if nested.options.mapEntry, let field {
        let fieldPath = path + [DescriptorPath.messageField, Int32(field)]
        for (part, other) in zip(nested.field, new.nestedType[index].field) {
          compare(
            part, other, fieldPath,
            "the \(part.name) of map `\(old.field[field].name)` of message \(name)")
        }
      } else {
        compare(
          nested, new.nestedType[index], path + [DescriptorPath.nestedMessage, Int32(index)],
          name: "\(name).\(nested.name)")
      }
    }
    let expected = insertion?.applied(to: old) ?? old
    if violations.count == count && expected != new { reportOption("message \(name)", path) }
  }

  private mutating func compare(
    _ old: [Field], _ new: [Field], _ path: [Int32], of owner: String
  ) {
    for (index, field) in old.enumerated() where index < new.count {
      compare(field, new[index], path + [Int32(index)], "extension `\(field.name)` of \(owner)")
    }
  }

  private mutating func compare(_ old: Field, _ new: Field, _ path: [Int32], _ subject: String) {
    let expected = insertion?.applied(to: old) ?? old
    guard expected != new else { return }
    if expected.extendee != new.extendee {
      report(
        "\(subject) extends", old.extendee, new.extendee, path + [DescriptorPath.fieldExtendee])
    } else if expected.typeName != new.typeName || expected.type != new.type {
      report(
        "\(subject) has the type", old.typeName, new.typeName,
        path + [DescriptorPath.fieldTypeName])
    } else {
      reportOption(subject, path)
    }
  }

  private mutating func compare(
    _ old: Google_Protobuf_ServiceDescriptorProto, _ new: Google_Protobuf_ServiceDescriptorProto,
    _ path: [Int32]
  ) {
    let count = violations.count
    for (index, method) in old.method.enumerated() where index < new.method.count {
      let place = path + [DescriptorPath.method, Int32(index)]
      let expected = insertion?.applied(to: method) ?? method
      let subject = "rpc \(method.name) of service \(old.name)"
      let other = new.method[index]
      if expected.inputType != other.inputType {
        report(
          "\(subject) takes", method.inputType, other.inputType,
          place + [DescriptorPath.methodInput])
      }
      if expected.outputType != other.outputType {
        report(
          "\(subject) returns", method.outputType, other.outputType,
          place + [DescriptorPath.methodOutput])
      }
      if expected.options != other.options { reportOption(subject, place) }
    }
    if violations.count == count && old.options != new.options {
      reportOption("service \(old.name)", path)
    }
  }

  // MARK: - Reporting

  private mutating func report(
    _ subject: String, _ old: String, _ new: String, _ path: [Int32]
  ) {
    violations.append(
      positions.diagnostic(
        at: path,
        "\(subject) \(old.dropFirst()), but in \(generatedFile) its name would mean "
          + "\(new.isEmpty ? "another type" : String(new.dropFirst())): write `\(old)`"))
  }

  private mutating func reportOption(_ subject: String, _ path: [Int32]) {
    violations.append(
      positions.diagnostic(
        at: path,
        "a name in an option of \(subject) would mean something else in "
          + "\(generatedFile): write it in full, with a leading dot"))
  }
}
