import SwiftProtobuf

/// The value that a field has in a message without it.
///
/// Numbers compare by value whatever their types, and strings with bytes: a change of the type is
/// another rule's business.
enum FieldDefault: Equatable, CustomStringConvertible {
  case bytes([UInt8])
  case integer(Int64)
  case unsigned(UInt64)
  case float(Float)
  case double(Double)

  /// Nil for repeated fields and messages.
  init?(_ field: Google_Protobuf_FieldDescriptorProto, enums: DeclarationIndex) {
    guard field.label != .repeated else { return nil }
    let text = field.hasDefaultValue ? field.defaultValue : nil
    switch field.type {
    case .message, .group: return nil
    case .string: self = .bytes(Array((text ?? "").utf8))
    case .bytes: self = .bytes(Self.unescaped(text ?? ""))
    case .bool: self = .integer(text == "true" ? 1 : 0)
    case .float: self = .float(text.flatMap(Float.init) ?? 0)
    case .double: self = .double(text.flatMap(Double.init) ?? 0)
    case .enum:
      let declaration = enums.enumeration(field.typeName)
      let named = declaration?.declaration.value.first { $0.name == text }
      self = .integer(Int64(named?.number ?? declaration?.defaultNumber ?? 0))
    default:
      if let value = Int64(text ?? "0") {
        self = .integer(value)
      } else {
        self = .unsigned(text.flatMap { UInt64($0) } ?? 0)
      }
    }
  }

  /// What every type has when nothing else is said.
  var isZero: Bool { self == .integer(0) || self == .bytes([]) }

  static func == (left: FieldDefault, right: FieldDefault) -> Bool {
    switch (left, right) {
    case (.bytes(let left), .bytes(let right)): left == right
    case (.bytes, _), (_, .bytes): false
    case (.integer(let left), .integer(let right)): left == right
    case (.unsigned(let left), .unsigned(let right)): left == right
    case (.float(let left), .float(let right)): left == right || (left.isNaN && right.isNaN)
    case (.float(let left), .double(let right)): left == Float(right) || (left.isNaN && right.isNaN)
    case (.double, .float): right == left
    case (.double(let left), .double(let right)): left == right || (left.isNaN && right.isNaN)
    case (.integer(let left), .float(let right)): Float(exactly: left) == right
    case (.integer(let left), .double(let right)): Double(exactly: left) == right
    case (.unsigned(let left), .float(let right)): Float(exactly: left) == right
    case (.unsigned(let left), .double(let right)): Double(exactly: left) == right
    case (.float, _), (.double, _): right == left
    case (.integer, .unsigned), (.unsigned, .integer): false
    }
  }

  var description: String {
    switch self {
    case .bytes(let bytes): "\"\(String(decoding: bytes, as: UTF8.self))\""
    case .integer(let value): "\(value)"
    case .unsigned(let value): "\(value)"
    case .float(let value): "\(value)"
    case .double(let value): "\(value)"
    }
  }

  /// Undoes the C escapes that descriptors write defaults of bytes in.
  private static func unescaped(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch escape {
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        var value = Int(escape - UInt8(ascii: "0"))
        var digits = 1
        while digits < 3, let digit = rest.first, digit >= UInt8(ascii: "0"),
          digit <= UInt8(ascii: "7")
        {
          value = value * 8 + Int(digit - UInt8(ascii: "0"))
          rest.removeFirst()
          digits += 1
        }
        result.append(UInt8(truncatingIfNeeded: value))
      default: result.append(escape)
      }
    }
    return result
  }
}
