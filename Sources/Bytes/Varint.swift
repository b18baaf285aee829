/// Base-128 numbers, as protobuf and LEB128 have them: 7 bits a byte, the lowest first, and the top bit says that
/// more follow. ``ByteWriter/appendVarint(_:)`` is its counterpart.
// SAFETY: `offset < end` before each byte, and `end` is at most the count, by the precondition.
package enum Varint {
  /// Bytes of the longest one.
  package static let maximumBytes = 10

  /// Decodes a number and moves `offset` to after it; nil when it does not end before `end`, has more than
  /// `maximumBytes` bytes or a value over 64 bits. `offset` is then after the last byte that was read.
  ///
  /// - Precondition: `end` is at most the count of `bytes`, and `maximumBytes` 1 to 10.
  @inline(__always)
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, end: Int, maximumBytes: Int = 10
  ) -> UInt64? {
    var value: UInt64 = 0
    var shift = 0
    while offset < end, shift < 7 &* maximumBytes {
      let byte = unsafe bytes[offset]
      offset &+= 1
      // The tenth byte has room for one more bit.
      if shift == 63 && byte > 1 { return nil }
      value |= UInt64(byte & 0x7F) &<< UInt64(truncatingIfNeeded: shift)
      if byte < 0x80 { return value }
      shift &+= 7
    }
    return nil
  }
}
