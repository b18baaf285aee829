extension Array {
  /// The elements, beginning with another one in each round: none is always the first.
  ///
  /// - Precondition: there is at least one; `round` is positive.
  func turns(in round: Int) -> [Element] {
    let first = (round - 1) % count
    return Array(self[first...] + self[..<first])
  }
}
