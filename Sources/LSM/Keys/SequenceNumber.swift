/// The place of one change in the order of all changes; 56 bits.
///
/// Every record of a batch has its own, so two changes of one key never share one. A snapshot is a
/// sequence number: it sees what is at or below it.
package struct SequenceNumber: RawRepresentable, Comparable, Hashable, Sendable {
  /// At most ``maximum``'s.
  package let rawValue: UInt64

  /// - Precondition: `rawValue` fits in 56 bits.
  package init(rawValue: UInt64) {
    precondition(rawValue < (1 << 56), "a sequence number has 56 bits")
    self.rawValue = rawValue
  }

  /// A number from the upper 56 bits of a trailer, which always fit.
  init(trailer: UInt64) { rawValue = trailer >> 8 }

  /// Before the first change.
  package static let zero = SequenceNumber(rawValue: 0)
  /// Sees everything.
  package static let maximum = SequenceNumber(rawValue: (1 << 56) - 1)

  package static func < (left: SequenceNumber, right: SequenceNumber) -> Bool {
    left.rawValue < right.rawValue
  }
}
