/// A size in bytes as people write it: `1048576`, `1024K`, `1M`; the units are powers of 1024.
///
/// Thread-safety: a value.
package struct ByteSize: Equatable, Sendable, CustomStringConvertible {
  private static let shifts: KeyValuePairs<Character, Int> = ["G": 30, "M": 20, "K": 10]

  /// Negative when the text was, and the largest number for what no number holds: whoever takes a size checks its
  /// bounds.
  package let bytes: Int

  /// A size of so many bytes.
  package init(bytes: Int) { self.bytes = bytes }

  /// The size that `text` says: a number, with or without K, M or G, and B or iB behind it; nil for anything else.
  package init?(_ text: String) {
    var digits = text.uppercased()
    if digits.hasSuffix("IB") {
      digits.removeLast(2)
    } else if digits.hasSuffix("B") {
      digits.removeLast()
    }
    var unit = 1
    if let shift = Self.shifts.first(where: { $0.key == digits.last })?.value {
      unit = 1 << shift
      digits.removeLast()
    }
    let figures = digits.hasPrefix("-") ? digits.dropFirst() : digits[...]
    guard !figures.isEmpty, figures.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    guard let amount = Int(digits) else {
      bytes = .max
      return
    }
    let (bytes, overflow) = amount.multipliedReportingOverflow(by: unit)
    self.bytes = overflow ? .max : bytes
  }

  /// The text that says it, with the largest unit that it is a multiple of.
  package var description: String {
    for (unit, shift) in Self.shifts where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return String(bytes)
  }
}
