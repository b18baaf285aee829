/// A user key with the version and kind of one entry: what memtables and tables are sorted by.
///
/// Encoded, where it is alone (manifest, table bounds), as
///
///     +----------------------+------------------------------------------+
///     | user key (any bytes) | trailer: u64 little-endian               |
///     |                      |   = sequence number << 8 | entry kind    |
///     +----------------------+------------------------------------------+
///
/// Order: user key ascending by memcmp, then trailer descending, so that the newest entry of a key
/// comes first and `seeking(_:at:)` lands on the newest one a snapshot may see.
///
/// The bytes are borrowed: valid as long as their owner says.
// SAFETY: A view: whoever makes a key keeps its bytes, unchanged, for as long as it is used. Lengths are checked
// before the trailer is read.
@safe
package struct InternalKey {
  /// The key as the caller knows it, borrowed.
  @safe package let userKey: UnsafeRawBufferPointer
  /// `sequence number << 8 | entry kind`.
  package let trailer: UInt64

  /// Bytes of the trailer.
  package static let trailerBytes = 8
  /// After no kind of entry, and yet after ``first(of:)`` at the largest sequence number: a
  /// separator between two blocks must be before whatever a lookup seeks in the second.
  private static let seekKind: UInt64 = 0x7F

  /// A view of `userKey`, which must stay, unchanged, for as long as it is used; so for every other way to make one.
  @inline(__always)
  package init(userKey: UnsafeRawBufferPointer, trailer: UInt64) {
    self.userKey = unsafe userKey
    self.trailer = trailer
  }

  /// The key of an entry of this kind, written by this change.
  @inline(__always)
  package init(userKey: UnsafeRawBufferPointer, sequence: SequenceNumber, kind: EntryKind) {
    unsafe self.init(userKey: userKey, trailer: Self.trailer(sequence, kind))
  }

  /// The key before every entry of `userKey` that is visible at `sequence`, and after the newer
  /// ones.
  @inline(__always)
  package static func seeking(
    _ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> InternalKey {
    unsafe InternalKey(userKey: userKey, trailer: sequence.rawValue << 8 | seekKind)
  }

  /// The key before every entry of `userKey`, and so the end of a range without it.
  @inline(__always)
  package static func first(of userKey: UnsafeRawBufferPointer) -> InternalKey {
    unsafe InternalKey(userKey: userKey, trailer: .max)
  }

  /// Decodes an encoded internal key; nil when the bytes are too short or the trailer is neither
  /// an entry's nor that of ``first(of:)``.
  package init?(encoded bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.trailerBytes else { return nil }
    let split = bytes.count - Self.trailerBytes
    let trailer = unsafe UInt64(
      littleEndian: bytes.loadUnaligned(fromByteOffset: split, as: UInt64.self))
    guard EntryKind(rawValue: UInt8(truncatingIfNeeded: trailer)) != nil || trailer == .max
    else { return nil }
    unsafe self.init(userKey: UnsafeRawBufferPointer(rebasing: bytes[..<split]), trailer: trailer)
  }

  /// Lends the key that `bytes` are the encoded form of to `body`, until that returns; nil when they are none.
  static func withKey<Result>(
    encoded bytes: [UInt8], _ body: (InternalKey) -> Result
  ) -> Result? {
    bytes.withBytes { unsafe InternalKey(encoded: $0).map(body) }
  }

  @inline(__always)
  static func trailer(_ sequence: SequenceNumber, _ kind: EntryKind) -> UInt64 {
    sequence.rawValue << 8 | UInt64(kind.rawValue)
  }

  /// The change that wrote the entry.
  package var sequence: SequenceNumber { SequenceNumber(trailer: trailer) }

  /// The kind, nil for a key that only seeks.
  package var kind: EntryKind? { EntryKind(rawValue: UInt8(truncatingIfNeeded: trailer)) }

  /// The encoded form. O(n), allocates: for bounds and tests, not for hot paths.
  package func encoded() -> [UInt8] {
    unsafe Array(userKey) + withUnsafeBytes(of: trailer.littleEndian) { unsafe Array($0) }
  }

  /// Negative, zero or positive, as `left` is before, equal to or after `right`.
  @inline(__always)
  package static func compare(_ left: InternalKey, _ right: InternalKey) -> Int {
    let order = KeyOrder.compare(left.userKey, right.userKey)
    if order != 0 { return order }
    return left.trailer == right.trailer ? 0 : (left.trailer > right.trailer ? -1 : 1)
  }

  @inline(__always)
  package static func < (left: InternalKey, right: InternalKey) -> Bool {
    compare(left, right) < 0
  }
}
