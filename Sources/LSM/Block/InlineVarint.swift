/// Decodes the varints of blocks and batches, as `Varint` of `Bytes` does, inside this module: a call into another one
/// is not inlined, and would be made three times for each entry that a read passes.
// SAFETY: `offset < end` before each byte, and `end` is at most the count, by the precondition; without an end, a
// validated block ends the number.
enum InlineVarint {
  /// Decodes a number and moves `offset` to after it; nil when it does not end before `end` or has more than
  /// `maximumBytes` bytes. `offset` is then after the last byte that was read.
  ///
  /// - Precondition: `end` is at most the count of `bytes`, and `maximumBytes` 1 to 9.
  @inline(__always)
  static func decode(
    _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, end: Int, maximumBytes: UInt64
  ) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < end, shift < 7 &* maximumBytes {
      let byte = unsafe bytes[offset]
      offset &+= 1
      value |= UInt64(byte & 0x7F) &<< shift
      if byte < 0x80 { return value }
      shift &+= 7
    }
    return nil
  }

  /// Decodes a number that was checked before, without looking for an end.
  ///
  /// Unsafe island. Invariant: ``decode(_:_:end:maximumBytes:)`` has accepted the number at `offset`, and the
  /// bytes are the same.
  @inline(__always)
  static func decodeValidated(_ base: UnsafeRawPointer, _ offset: inout Int) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      // SAFETY: by the invariant the number ends before the bytes do.
      let byte = unsafe base.load(fromByteOffset: offset, as: UInt8.self)
      offset &+= 1
      value |= UInt64(byte & 0x7F) &<< shift
      if byte < 0x80 { return value }
      shift &+= 7
    }
  }
}
