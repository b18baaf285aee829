package import Bytes

/// The first 5 bytes of a key, for callers who keep several sorts of keys in one engine. What they mean is theirs.
///
/// Of one length, so that a batch joins prefix and key without a loop and without allocating.
package struct FixedPrefix: Hashable, Sendable {
  /// Bytes of every prefix.
  package static let byteCount = 5

  private let first: UInt8
  private let rest: UInt32

  /// `first`, then `rest` in big-endian order.
  package init(_ first: UInt8, _ rest: UInt32) {
    self.first = first
    self.rest = rest
  }

  /// The 5 bytes. Allocates; see ``append(to:)``.
  package var bytes: [UInt8] {
    [
      first, UInt8(truncatingIfNeeded: rest >> 24), UInt8(truncatingIfNeeded: rest >> 16),
      UInt8(truncatingIfNeeded: rest >> 8), UInt8(truncatingIfNeeded: rest),
    ]
  }

  /// Appends the 5 bytes, without allocating.
  package func append(to writer: inout ByteWriter) {
    // SAFETY: five bytes in a tuple lie side by side, without padding.
    unsafe withUnsafeBytes(
      of: (
        first, UInt8(truncatingIfNeeded: rest >> 24), UInt8(truncatingIfNeeded: rest >> 16),
        UInt8(truncatingIfNeeded: rest >> 8), UInt8(truncatingIfNeeded: rest)
      )
    ) { writer.append($0) }
  }
}
