/// Numbers as people read them.
enum Figure {
  /// Without a fraction, in groups of three digits: `1,234,567`.
  static func grouped(_ number: Double) -> String {
    var digits = Array(String(UInt64(max(0, number).rounded())))
    var position = digits.count - 3
    while position > 0 {
      digits.insert(",", at: position)
      position -= 3
    }
    return String(digits)
  }

  /// With `places` digits after the decimal point.
  static func fixed(_ number: Double, places: Int) -> String {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = String(UInt64((max(0, number) * scale).rounded()))
    if places == 0 { return scaled }
    let padded = String(repeating: "0", count: max(0, places + 1 - scaled.count)) + scaled
    return "\(padded.dropLast(places)).\(padded.suffix(places))"
  }

  /// With about three digits that count.
  static func short(_ number: Double) -> String {
    if number >= 100 { return grouped(number) }
    return fixed(number, places: number >= 10 ? 1 : 2)
  }

  /// The middle number, or the mean of the two in the middle; nil when there are none.
  static func median(_ numbers: [Double]) -> Double? {
    guard !numbers.isEmpty else { return nil }
    let sorted = numbers.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
