/// A range of keys in memcmp order: from `lower` on, up to but without `upper`.
package struct KeyRange: Equatable, Sendable {
  /// The first key that belongs to the range; empty: from the start.
  package var lower: [UInt8]
  /// The first key after the range; nil: no end.
  package var upper: [UInt8]?

  package init(lower: [UInt8], upper: [UInt8]?) {
    self.lower = lower
    self.upper = upper
  }

  /// Every key.
  package static let all = KeyRange(lower: [], upper: nil)

  /// The keys that begin with `bytes`.
  ///
  /// The end is `bytes` with its last byte that is not FF incremented and the rest cut off; when all
  /// bytes are FF, or there are none, the range has no end.
  package static func prefix(_ bytes: [UInt8]) -> KeyRange {
    var upper = bytes
    while upper.last == 0xff { upper.removeLast() }
    guard let last = upper.last else { return KeyRange(lower: bytes, upper: nil) }
    upper[upper.count - 1] = last + 1
    return KeyRange(lower: bytes, upper: upper)
  }

  /// The keys up to `key` itself; longer keys that begin with it come after it and do not belong.
  package static func upTo(including key: [UInt8]) -> KeyRange {
    KeyRange(lower: [], upper: key + [0])
  }

  /// `key` and everything after it.
  package static func from(_ key: [UInt8]) -> KeyRange { KeyRange(lower: key, upper: nil) }

  /// Whether no key can be in it.
  package var isEmpty: Bool {
    guard let upper else { return false }
    return !lower.lexicographicallyPrecedes(upper)
  }

  /// Whether the key lies between the bounds.
  package func contains(_ key: [UInt8]) -> Bool {
    if key.lexicographicallyPrecedes(lower) { return false }
    guard let upper else { return true }
    return key.lexicographicallyPrecedes(upper)
  }
}
