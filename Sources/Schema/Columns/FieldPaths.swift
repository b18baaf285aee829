import SwiftProtobuf

/// Follows paths like `address.city` from a model's message on.
struct FieldPaths {
  typealias Problem = KeyDefinition.Problem

  /// What a path is for.
  enum Purpose {
    /// Ends at a value, and may pass a repeated field.
    case column
    /// Ends at any field.
    case inclusion

    fileprivate var verb: String { self == .column ? "names" : "includes" }
  }

  /// A field on the way.
  struct Step {
    let field: Google_Protobuf_FieldDescriptorProto
    let isMap: Bool
    /// Whether an absent field is unset, and not its default. An element of a repeated field is there.
    let hasPresence: Bool

    var number: UInt32 { UInt32(field.number) }
    var isRepeated: Bool { field.label == .repeated }
  }

  let message: Google_Protobuf_DescriptorProto
  let types: MessageTypes

  /// The fields on the way, the last one included; at least one.
  func steps(to path: String, for purpose: Purpose) throws(Problem) -> [Step] {
    guard !path.isEmpty else {
      throw Problem(
        text: purpose == .column
          ? KeyDefinition.emptyName
          : "has an empty name among what it includes: write fields with one comma between them")
    }
    let names = path.split(separator: ".", omittingEmptySubsequences: false)
    var steps: [Step] = []
    var scope = MessageTypes.Entry(message: message, isProto2: false)
    for (place, name) in names.enumerated() {
      guard !name.isEmpty else {
        throw Problem(
          text:
            "\(purpose.verb) `\(path)`: write one dot between a field and a field in its message")
      }
      guard let field = scope.message.field.first(where: { $0.name == name }) else {
        let what = names.count == 1 ? "such field" : "field `\(name)`"
        throw Problem(
          text: "\(purpose.verb) `\(path)`, and message \(scope.message.name) has no \(what): "
            + KeyDefinition.advice(forMissing: name, in: scope.message))
      }
      let isMessage = field.type == .message || field.type == .group
      let type = isMessage ? types[field.typeName] : nil
      let step = Step(
        field: field, isMap: type?.message.options.mapEntry == true,
        hasPresence: Self.hasPresence(field, isProto2: scope.isProto2))
      steps.append(step)
      let isLast = place + 1 == names.count
      if purpose == .column, let problem = Self.problem(passing: step, path, place, isLast: isLast)
      {
        throw problem
      }
      if isLast { break }
      if purpose == .inclusion, step.isRepeated {
        throw Problem(
          text: "includes `\(path)`, and `\(Self.prefix(of: path, through: place))` is "
            + "\(step.isMap ? "a map" : "repeated"): include it as a whole")
      }
      guard let type else {
        let prefix = Self.prefix(of: path, through: place)
        throw Problem(
          text:
            "\(purpose.verb) `\(path)`, and `\(prefix)` of type \(FieldKind.name(of: field)) has no fields: "
            + "end the path there")
      }
      scope = type
    }
    return steps
  }

  static func hasPresence(
    _ field: Google_Protobuf_FieldDescriptorProto, isProto2: Bool
  ) -> Bool {
    guard field.label != .repeated else { return false }
    // An `optional` field of proto3 is in a oneof of its own. Of proto2 all have it, `required` ones as well.
    return field.hasOneofIndex || field.type == .message || isProto2
  }

  /// What keeps a column from going through a field, or from ending at it.
  private static func problem(
    passing step: Step, _ path: String, _ place: Int, isLast: Bool
  ) -> Problem? {
    let prefix = prefix(of: path, through: place)
    let subject = isLast ? "names `\(path)`, which" : "names `\(path)`, and `\(prefix)`"
    if step.isMap {
      return Problem(
        text:
          "\(subject) is a map: an index has no place for it; use a repeated message with a key and a value"
      )
    }
    if step.field.type == .group {
      return Problem(
        text: "\(subject) is a group: an index has no place for it; use a message")
    }
    if !isLast, let kind = ColumnKind(step.field), kind.isTime {
      return Problem(
        text: "names `\(path)`, which is a part of a \(kind.name): name `\(prefix)`")
    }
    return nil
  }

  /// What is wrong with a column that ends at a message.
  func problem(withMessage step: Step, named path: String) -> String {
    let advice = types[step.field.typeName]?.message.field.first.map {
      "name a field of it, with a dot, as in `\(path).\($0.name)`"
    }
    return
      "names `\(path)` of type \(FieldKind.name(of: step.field)), which has no place in an index: "
      + (advice ?? "take another field")
  }

  /// `a.b` of `a.b.c` and 1.
  static func prefix(of path: String, through place: Int) -> String {
    path.split(separator: ".").prefix(place + 1).joined(separator: ".")
  }
}
