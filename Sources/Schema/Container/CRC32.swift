// SAFETY: every index is below the count of the bytes, which are lent until the return.

/// The CRC-32 of zlib and Ethernet (reflected polynomial 0xEDB88320).
///
/// For the small, rarely read container of a schema: one table, a byte at a time.
enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { index in
    var value = UInt32(index)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    return value
  }

  /// The checksum of all bytes. O(n).
  @safe
  static func checksum(of bytes: UnsafeRawBufferPointer) -> UInt32 {
    var value = UInt32.max
    for index in bytes.indices {
      let byte = unsafe bytes[index]
      value = table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
    }
    return ~value
  }
}
