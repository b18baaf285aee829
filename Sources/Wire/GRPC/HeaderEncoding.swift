/// The two encodings gRPC puts on header values (grpc/grpc doc/PROTOCOL-HTTP2.md).
package enum HeaderEncoding {
  /// `grpc-message`: every byte outside 0x20...0x7E, and `%` itself, as `%XX` in upper case.
  package static func percentEncoded(_ message: String) -> [UInt8] {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(message.utf8.count)
    for byte in message.utf8 {
      if byte >= 0x20 && byte <= 0x7e && byte != UInt8(ascii: "%") {
        encoded.append(byte)
      } else {
        encoded.append(UInt8(ascii: "%"))
        encoded.append(hexDigits[Int(byte >> 4)])
        encoded.append(hexDigits[Int(byte & 15)])
      }
    }
    return encoded
  }

  /// `-bin` values: base64 in the standard alphabet, without padding.
  package static func base64(_ bytes: [UInt8]) -> [UInt8] {
    var encoded: [UInt8] = []
    encoded.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = 0
    while index < bytes.count {
      let rest = bytes.count - index
      let group =
        UInt32(bytes[index]) << 16 | (rest > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
        | (rest > 2 ? UInt32(bytes[index + 2]) : 0)
      encoded.append(base64Digits[Int(group >> 18)])
      encoded.append(base64Digits[Int(group >> 12 & 63)])
      if rest > 1 { encoded.append(base64Digits[Int(group >> 6 & 63)]) }
      if rest > 2 { encoded.append(base64Digits[Int(group & 63)]) }
      index += 3
    }
    return encoded
  }

  private static let hexDigits = Array("0123456789ABCDEF".utf8)
  private static let base64Digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
