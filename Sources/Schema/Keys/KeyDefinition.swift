import SwiftProtobuf

/// Makes a ``ModelKey`` of what a schema says.
enum KeyDefinition {
  /// Why a key or an index cannot be made, and what to do; as the end of a sentence whose subject it is.
  struct Problem: Error, Equatable {
    let text: String
  }

  /// The columns of an option's text: `tenant, -created, id`.
  static func key(
    _ text: String, of message: Google_Protobuf_DescriptorProto
  ) throws(Problem) -> ModelKey {
    var columns: [Column] = []
    for word in words(of: text) {
      let isDescending = word.first == "-"
      let column = try column(
        isDescending ? String(word.dropFirst()) : word, isDescending: isDescending, of: message)
      guard !columns.contains(where: { $0.name == column.name }) else {
        throw Problem(text: "names field `\(column.name)` twice: name it once")
      }
      columns.append(column)
    }
    guard columns.count <= ModelKey.maximumColumns else {
      throw Problem(text: tooMany(columns.count))
    }
    let key = ModelKey(columns: columns)
    // A query has a field for each column beside its own.
    let taken = key.isPlain ? nil : columns.first { QueryProto.isOptionName($0.name) }
    if let taken {
      throw Problem(
        text:
          "names field `\(taken.name)`, which every query has for itself: give the field another name"
      )
    }
    return key
  }

  /// What is between the commas, without the spaces around it.
  static func words(of text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  static let emptyName = "has an empty name: write fields with one comma between them"

  static func tooMany(_ count: Int) -> String {
    "has \(count) fields, and at most \(ModelKey.maximumColumns) are allowed: leave some out"
  }

  /// One column, of a field of the message itself.
  static func column(
    _ name: String, isDescending: Bool, of message: Google_Protobuf_DescriptorProto
  ) throws(Problem) -> Column {
    guard !name.isEmpty else {
      throw Problem(text: emptyName)
    }
    guard let field = message.field.first(where: { $0.name == name }) else {
      throw Problem(text: missing(name, in: message))
    }
    if field.label == .repeated {
      throw Problem(
        text: "names field `\(name)`, which has several values: name one with a single value")
    }
    if field.hasOneofIndex && !field.proto3Optional {
      throw Problem(
        text:
          "names field `\(name)`, which is in a oneof and so may be absent: move it out of the oneof"
      )
    }
    guard let kind = ColumnKind(field), !kind.isFloatingPoint else {
      throw Problem(
        text:
          "names field `\(name)` of type \(FieldKind.name(of: field)), which has no place in a key: "
          + "take a string, bytes, bool, enum, integer, Timestamp or Duration")
    }
    return Column(
      name: name, path: [UInt32(field.number)], kind: kind, isDescending: isDescending,
      hasPresence: field.proto3Optional || kind.isTime,
      typeName: kind == .enumeration ? field.typeName : "")
  }

  private static func missing(
    _ name: String, in message: Google_Protobuf_DescriptorProto
  ) -> String {
    if name.contains(".") {
      return "names `\(name)`: a key is made of fields of the message itself, without dots"
    }
    return "names `\(name)`, and message \(message.name) has no such field: "
      + advice(forMissing: name, in: message)
  }

  /// What to write for a name that no field has.
  static func advice(
    forMissing name: some StringProtocol, in message: Google_Protobuf_DescriptorProto
  ) -> String {
    let folded = ModelNames.folded(String(name))
    return message.field.first { ModelNames.folded($0.name) == folded }.map {
      "is `\($0.name)` meant?"
    } ?? "name its fields as the message does"
  }
}
