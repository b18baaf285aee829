/// A part of a fill: some batches that follow each other, so that one can see how far the fill is, and end it.
package struct FillSlice: Sendable {
  /// A slice has no fewer, unless all have: each slice connects anew.
  private static let leastBatches = 1000
  private static let mostSlices = 50

  package let firstBatch: Int
  package let batches: Int

  /// All batches of a fill, each in one slice, in their order.
  package static func slices(ofBatches count: Int) -> [FillSlice] {
    let sliceCount = min(mostSlices, max(1, count / leastBatches))
    return (0..<sliceCount).map { number in
      let (first, end) = (count * number / sliceCount, count * (number + 1) / sliceCount)
      return FillSlice(firstBatch: first, batches: end - first)
    }
  }
}
