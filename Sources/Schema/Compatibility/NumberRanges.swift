/// A set of numbers given as closed ranges, merged and ascending.
struct NumberRanges: Sendable {
  private var ranges: [ClosedRange<Int32>] = []

  /// Ranges whose end lies before their start are left out.
  init(_ bounds: [(first: Int32, last: Int32)]) {
    for (first, last) in bounds.filter({ $0.first <= $0.last }).sorted(by: { $0.first < $1.first })
    {
      if let previous = ranges.last, Int64(first) <= Int64(previous.upperBound) + 1 {
        ranges[ranges.count - 1] = previous.lowerBound...max(previous.upperBound, last)
      } else {
        ranges.append(first...last)
      }
    }
  }

  func contains(_ number: Int32) -> Bool { ranges.contains { $0.contains(number) } }

  /// The parts of `first...last` that are not in the set.
  func missing(from first: Int32, through last: Int32) -> [ClosedRange<Int32>] {
    var result: [ClosedRange<Int32>] = []
    var next = Int64(first)
    for range in ranges where range.overlaps(first...max(first, last)) {
      if Int64(range.lowerBound) > next {
        result.append(Int32(next)...(range.lowerBound - 1))
      }
      next = max(next, Int64(range.upperBound) + 1)
    }
    if next <= Int64(last) { result.append(Int32(next)...last) }
    return result
  }
}
