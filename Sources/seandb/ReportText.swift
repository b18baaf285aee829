import Glibc

/// Numbers and columns for people to read.
enum ReportText {
  /// 1234567 as `1,234,567`.
  static func grouped(_ number: some BinaryInteger) -> String {
    var text = ""
    let digits = Array(String(number))
    for (place, digit) in digits.enumerated() {
      if place > 0, (digits.count - place) % 3 == 0, digits[place - 1] != "-" { text += "," }
      text.append(digit)
    }
    return text
  }

  /// 1536 as `1.5 KiB`.
  static func bytes(_ count: UInt64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"]
    if count < 1024 { return "\(count) B" }
    var tenths = count * 10 / 1024
    var unit = 0
    while tenths >= 10 * 1024, unit + 1 < units.count {
      tenths /= 1024
      unit += 1
    }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  static func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? one : many ?? one + "s")"
  }

  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }

  static func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Rows under a head, in columns of equal width.
  /// - Parameter left: columns that begin at the left; the others end at the right.
  static func columns(_ head: [String], _ rows: [[String]], left: Set<Int>) -> [String] {
    let all = [head] + rows
    let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        let isLast = column == row.count - 1
        line += "  " + (left.contains(column) ? cell + (isLast ? "" : space) : space + cell)
      }
      return line
    }
  }
}

/// A value of JSON, written by hand: keys stay in their order.
indirect enum JSONValue {
  case object([(String, JSONValue)])
  case array([JSONValue])
  case string(String)
  case number(UInt64)
  case bool(Bool)
  case null

  static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
  static func optional(_ number: UInt64?) -> JSONValue { number.map { .number($0) } ?? .null }

  func text(indent: String = "") -> String {
    let inner = indent + "  "
    func block(_ open: String, _ parts: [String], _ close: String) -> String {
      parts.isEmpty
        ? open + close
        : open + "\n" + parts.map { inner + $0 }.joined(separator: ",\n") + "\n" + indent + close
    }
    return switch self {
    case .object(let fields):
      block("{", fields.map { Self.quoted($0.0) + ": " + $0.1.text(indent: inner) }, "}")
    case .array(let elements): block("[", elements.map { $0.text(indent: inner) }, "]")
    case .string(let text): Self.quoted(text)
    case .number(let number): String(number)
    case .bool(let flag): flag ? "true" : "false"
    case .null: "null"
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
