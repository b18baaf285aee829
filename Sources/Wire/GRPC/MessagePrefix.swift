import Bytes

// SAFETY: the number lies on the stack while its bytes are copied.

/// gRPC's length prefix, which comes before every message:
///
///     +----------+------------------------+---------+
///     | flag: u8 | length: u32 big-endian | message |
///     +----------+------------------------+---------+
///
/// The flag is 1 for a message that is compressed, as the header `grpc-encoding` says; else 0.
enum MessagePrefix {
  static let byteCount = 5
  /// Room for a prefix until its message is there; and the prefix of an empty message.
  static let empty: [UInt8] = [0, 0, 0, 0, 0]

  /// Writes the length of the last message of `response`, whose prefix is at `start`.
  static func patch(_ response: inout ByteWriter, at start: Int) {
    let length = UInt32(response.count - start - byteCount)
    unsafe withUnsafeBytes(of: length.bigEndian) { response.overwrite(at: start + 1, with: $0) }
  }

  /// Writes the prefix of a compressed message of `length` bytes.
  static func append(compressed length: Int, to response: inout ByteWriter) {
    response.append(1)
    response.appendBigEndian(UInt32(length))
  }
}
