package import Bytes

/// What follows every block of a table.
///
///     +---------+--------------------+-----------------------------------------------------------+
///     | payload | compression tag u8 | checksum u64 little-endian                                |
///     +---------+--------------------+-----------------------------------------------------------+
///
/// The checksum is XXH64 over payload and tag. Its seed is made of the table's identity and the
/// block's offset, so a block that is whole but belongs elsewhere (a misdirected write, a stale or
/// swapped file) fails as well.
// SAFETY: A stored block has at least the trailer's bytes, which is checked first; all slices are before its end.
package enum BlockTrailer {
  /// Bytes of tag and checksum.
  package static let byteCount = 9
  private static let tagBytes = 1

  static func seed(identity: UInt64, offset: UInt64) -> UInt64 {
    // An odd factor, so that different offsets in one file always give different seeds.
    identity ^ (offset &* 0x9E37_79B9_7F4A_7C15)
  }

  /// Appends the trailer to a payload, which is all that `payload` holds.
  package static func seal(
    _ payload: inout ByteWriter, _ compression: Compression, identity: UInt64, offset: UInt64
  ) {
    payload.append(compression.rawValue)
    unsafe payload.appendLittleEndian(
      XXH64.hash(payload.bytes, seed: seed(identity: identity, offset: offset)))
  }

  /// Checks a block with its trailer, and gives the payload, a part of `stored`.
  package static func open(
    _ stored: UnsafeRawBufferPointer, identity: UInt64, offset: UInt64
  ) throws(DamageInBlock) -> (payload: UnsafeRawBufferPointer, compression: Compression) {
    guard stored.count >= byteCount else {
      throw DamageInBlock(
        .truncated(
          field: "block trailer", needed: UInt64(byteCount), available: UInt64(stored.count)))
    }
    let covered = unsafe UnsafeRawBufferPointer(
      rebasing: stored[..<(stored.count - byteCount + tagBytes)])
    let expected = unsafe UInt64(
      littleEndian: stored.loadUnaligned(fromByteOffset: covered.count, as: UInt64.self))
    let actual = XXH64.hash(covered, seed: seed(identity: identity, offset: offset))
    guard actual == expected else {
      throw DamageInBlock(.checksum(expected: expected, actual: actual))
    }
    let tag = unsafe covered[covered.count - 1]
    guard let compression = Compression(rawValue: tag) else {
      throw DamageInBlock(.unknown(field: "compression tag", value: UInt64(tag)))
    }
    return unsafe (
      UnsafeRawBufferPointer(rebasing: covered[..<(covered.count - tagBytes)]), compression
    )
  }
}
