/// Deletes the keys from `lower` up to `upper` (exclusive) whose sequence number is smaller.
///
/// The bytes are borrowed from the memtable or table it is of.
// SAFETY: A view: whoever makes one keeps both bounds, unchanged, for as long as it is used.
@safe
package struct RangeTombstone {
  /// The first key that it deletes, borrowed.
  @safe package let lower: UnsafeRawBufferPointer
  /// The first key after those that it deletes, borrowed.
  @safe package let upper: UnsafeRawBufferPointer
  /// The change that wrote it; only older entries are deleted.
  package let sequence: SequenceNumber

  package init(
    lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer, sequence: SequenceNumber
  ) {
    self.lower = unsafe lower
    self.upper = unsafe upper
    self.sequence = sequence
  }

  /// Whether it deletes nothing at all.
  package var isEmpty: Bool { KeyOrder.compare(lower, upper) >= 0 }

  /// Whether `key` is in its range.
  @safe
  package func covers(_ key: UnsafeRawBufferPointer) -> Bool {
    KeyOrder.compare(lower, key) <= 0 && KeyOrder.compare(key, upper) < 0
  }
}
