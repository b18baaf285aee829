/// Answers "which range tombstones cover this key" for a set that never changes.
///
/// The ends of all ranges cut the key space into intervals; over these there is a segment tree (J. L.
/// Bentley, 1977), whose nodes hold the sequence numbers of the tombstones that cover all of the
/// node and not all of its parent, newest first. A list of fragments would hold a sequence number
/// for every tombstone in every fragment, which is O(n²) for ranges such as "everything from this
/// key on".
///
/// The bounds' bytes are borrowed: whoever made it keeps them as long as it.
///
/// Thread-safety: immutable.
// SAFETY: nothing changes after init; the bytes that the bounds point to do not either, by the paragraph
// above.
@safe
package final class RangeTombstoneIndex: @unchecked Sendable {
  /// The tombstones, newest first, without the empty ones.
  package let tombstones: [RangeTombstone]
  /// All ends, ascending, each once. Interval i is from `bounds[i]` up to `bounds[i + 1]`.
  @safe private let bounds: [UnsafeRawBufferPointer]
  /// Node n's sequence numbers are `sequences[starts[n]..<starts[n + 1]]`; leaf i is node `leaves +
  /// i`.
  private let starts: [Int]
  private let sequences: [SequenceNumber]
  private let leaves: Int

  /// - Complexity: O(n log n) time and memory.
  package init(_ tombstones: [RangeTombstone]) {
    let tombstones = tombstones.filter { !$0.isEmpty }.sorted { $0.sequence > $1.sequence }
    let ends = unsafe (tombstones.map(\.lower) + tombstones.map(\.upper))
      .sorted { KeyOrder.compare($0, $1) < 0 }
    var bounds: [UnsafeRawBufferPointer] = unsafe []
    for place in unsafe ends.indices
    where unsafe place == 0 || KeyOrder.compare(ends[place - 1], ends[place]) != 0 {
      unsafe bounds.append(ends[place])
    }
    let leaves = unsafe max(bounds.count, 1)
    // Twice the same walk: the first counts, the second fills what the counts laid out.
    var starts = [Int](repeating: 0, count: 2 * leaves + 1)
    let spans = tombstones.map {
      (
        Self.firstIndex(notBefore: $0.lower, in: bounds),
        Self.firstIndex(notBefore: $0.upper, in: bounds)
      )
    }
    for (lower, upper) in spans {
      Self.forEachNode(lower, upper, leaves) { starts[$0 + 1] += 1 }
    }
    for node in 1...(2 * leaves) { starts[node] += starts[node - 1] }
    var sequences = [SequenceNumber](repeating: .zero, count: starts[2 * leaves])
    var free = starts
    for (tombstone, (lower, upper)) in zip(tombstones, spans) {
      Self.forEachNode(lower, upper, leaves) {
        sequences[free[$0]] = tombstone.sequence
        free[$0] += 1
      }
    }
    self.tombstones = tombstones
    unsafe self.bounds = bounds
    self.starts = starts
    self.sequences = sequences
    self.leaves = leaves
  }

  /// Whether it covers nothing.
  package var isEmpty: Bool { tombstones.isEmpty }

  /// The nodes that together are the intervals `lower..<upper`, none of them inside another.
  private static func forEachNode(_ lower: Int, _ upper: Int, _ leaves: Int, _ body: (Int) -> Void)
  {
    var left = lower + leaves
    var right = upper + leaves
    while left < right {
      if left & 1 == 1 {
        body(left)
        left += 1
      }
      if right & 1 == 1 {
        right -= 1
        body(right)
      }
      left >>= 1
      right >>= 1
    }
  }

  @safe
  private static func firstIndex(
    notBefore key: UnsafeRawBufferPointer, in bounds: [UnsafeRawBufferPointer]
  ) -> Int {
    var low = 0
    var high = unsafe bounds.count
    while low < high {
      let middle = (low + high) / 2
      if unsafe KeyOrder.compare(bounds[middle], key) < 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// The newest tombstone at or below `sequence` that covers `key`: entries of the key with a
  /// smaller sequence number are deleted. Nil when none does.
  ///
  /// - Complexity: O(log² n).
  @safe
  package func newestCovering(
    _ key: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> SequenceNumber? {
    newestCovering(place: place(of: key), at: sequence)
  }

  /// The newest tombstone at or below `sequence` that covers `key`, and the bounds between which the answer
  /// is the same: from `lower` on (nil: from the start), up to `upper` (nil: to the end).
  ///
  /// The bounds are borrowed as those of the tombstones. O(log² n).
  func interval(
    around key: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> (newest: SequenceNumber?, lower: UnsafeRawBufferPointer?, upper: UnsafeRawBufferPointer?) {
    let place = place(of: key)
    return unsafe (
      newestCovering(place: place, at: sequence), place > 0 ? bounds[place - 1] : nil,
      place < bounds.count ? bounds[place] : nil
    )
  }

  /// Visits the intervals between neighbouring ends that any tombstone covers, ascending, each with the newest
  /// tombstone that covers it. O(n log² n).
  @safe
  func forEachInterval(
    _ body: (
      _ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer, _ newest: SequenceNumber
    ) -> Void
  ) {
    for place in unsafe bounds.indices.dropFirst() {
      if let newest = newestCovering(place: place, at: .maximum) {
        unsafe body(bounds[place - 1], bounds[place], newest)
      }
    }
  }

  /// How many ends are at or before `key`.
  @safe
  private func place(of key: UnsafeRawBufferPointer) -> Int {
    var low = 0
    var high = unsafe bounds.count
    while low < high {
      let middle = (low + high) / 2
      if unsafe KeyOrder.compare(bounds[middle], key) <= 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  private func newestCovering(place low: Int, at sequence: SequenceNumber) -> SequenceNumber? {
    // Before the first end, or after the last: no interval.
    guard low > 0, unsafe low < bounds.count else { return nil }
    var newest: SequenceNumber?
    var node = leaves + low - 1
    while node > 0 {
      if let found = newestInNode(node, at: sequence), newest.map({ found > $0 }) ?? true {
        newest = found
      }
      node >>= 1
    }
    return newest
  }

  private func newestInNode(_ node: Int, at sequence: SequenceNumber) -> SequenceNumber? {
    var low = starts[node]
    let end = starts[node + 1]
    var high = end
    while low < high {
      let middle = (low + high) / 2
      if sequences[middle] > sequence { low = middle + 1 } else { high = middle }
    }
    return low < end ? sequences[low] : nil
  }
}
