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
