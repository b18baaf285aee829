/// JSON to be written (RFC 8259); members stay in their order.
///
/// Thread-safety: a value.
package indirect enum JSONValue: Sendable {
  case string(String)
  case integer(Int)
  case unsigned(UInt64)
  /// Must be finite.
  case number(Double)
  case bool(Bool)
  case null
  case array([JSONValue])
  case members([(name: String, value: JSONValue)])

  /// An object with these members.
  package static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .members(members.map { ($0.key, $0.value) })
  }

  /// `text`, or null.
  package static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
  /// `number`, or null.
  package static func optional(_ number: UInt64?) -> JSONValue {
    number.map { .unsigned($0) } ?? .null
  }

  /// The text: arrays and objects that hold others in lines of their own, the rest in one line.
  package var text: String {
    var text = ""
    write(to: &text, indent: "")
    return text
  }

  private var isSimple: Bool {
    switch self {
    case .array, .members: false
    default: true
    }
  }

  private func write(to text: inout String, indent: String) {
    switch self {
    case .string(let string): text += Self.quoted(string)
    case .integer(let integer): text += String(integer)
    case .unsigned(let integer): text += String(integer)
    case .number(let number): text += "\(number)"
    case .bool(let bool): text += "\(bool)"
    case .null: text += "null"
    case .array(let values):
      Self.writeAll(
        values.map { (name: nil, value: $0) }, within: ("[", "]"), to: &text, indent: indent)
    case .members(let members):
      Self.writeAll(
        members.map { (name: $0.name, value: $0.value) }, within: ("{", "}"), to: &text,
        indent: indent)
    }
  }

  private static func writeAll(
    _ members: [(name: String?, value: JSONValue)], within brackets: (String, String),
    to text: inout String, indent: String
  ) {
    let isOneLine = members.allSatisfy(\.value.isSimple)
    text += brackets.0
    for (index, member) in members.enumerated() {
      if index > 0 { text += isOneLine ? ", " : "," }
      if !isOneLine { text += "\n" + indent + "  " }
      if let name = member.name { text += quoted(name) + ": " }
      member.value.write(to: &text, indent: indent + "  ")
    }
    if !isOneLine { text += "\n" + indent }
    text += brackets.1
  }

  private static func quoted(_ string: String) -> String {
    var quoted = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
