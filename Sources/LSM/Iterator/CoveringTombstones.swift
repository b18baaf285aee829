/// The range tombstones of all sources of a scan, asked for one key after the other.
///
/// Between two ends of range tombstones the answer stays the same; it is kept with the bounds between
/// which it holds, so a scan asks the indexes only where a range begins or ends.
///
/// Thread-safety: none; one owner at a time. The indexes are borrowed: the scan's state holds them.
// SAFETY: `lower` and `upper` are bounds of the indexes, which the scan's state holds for as long as this.
@safe
struct CoveringTombstones {
  private let indexes: [RangeTombstoneIndex]
  private let sequence: SequenceNumber
  private var newest: SequenceNumber?
  /// Where ``newest`` holds: from `lower` (nil: from the start) up to `upper` (nil: to the end).
  @safe private(set) var lower: UnsafeRawBufferPointer?
  @safe private(set) var upper: UnsafeRawBufferPointer?
  private var isKnown = false

  /// - Parameter sequence: newer range tombstones do not count.
  init(_ indexes: [RangeTombstoneIndex], at sequence: SequenceNumber) {
    self.indexes = indexes.filter { !$0.isEmpty }
    self.sequence = sequence
  }

  var isEmpty: Bool { indexes.isEmpty }

  /// The newest range tombstone that covers `key`; entries older than it are deleted.
  @inline(__always)
  @safe
  mutating func covering(_ key: UnsafeRawBufferPointer) -> SequenceNumber? {
    if indexes.isEmpty { return nil }
    if !isKnown || !holds(key) { look(key) }
    return newest
  }

  @safe
  private func holds(_ key: UnsafeRawBufferPointer) -> Bool {
    if let lower, KeyOrder.compare(key, lower) < 0 { return false }
    if let upper, KeyOrder.compare(key, upper) >= 0 { return false }
    return true
  }

  @safe
  private mutating func look(_ key: UnsafeRawBufferPointer) {
    newest = nil
    lower = nil
    upper = nil
    isKnown = true
    for index in indexes {
      let found = unsafe index.interval(around: key, at: sequence)
      if let covering = unsafe found.newest, newest.map({ covering > $0 }) ?? true {
        newest = covering
      }
      if let bound = unsafe found.lower,
        unsafe lower.map({ KeyOrder.compare(bound, $0) > 0 }) ?? true
      {
        lower = unsafe bound
      }
      if let bound = unsafe found.upper,
        unsafe upper.map({ KeyOrder.compare(bound, $0) < 0 }) ?? true
      {
        upper = unsafe bound
      }
    }
  }
}
