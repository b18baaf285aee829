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

  /// A `-bin` value as a client sends it: one or several, joined by commas; each in base64, with padding or without.
  /// Nil when it is something else.
  package static func binaryValues(_ bytes: some Collection<UInt8>) -> [[UInt8]]? {
    var values: [[UInt8]] = []
    for part in bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let value = decodedBase64(part.drop { $0 == UInt8(ascii: " ") }) else { return nil }
      values.append(value)
    }
    return values
  }

  /// Bits of the last digit that no byte has are not looked at.
  private static func decodedBase64(_ text: some Collection<UInt8>) -> [UInt8]? {
    var decoded: [UInt8] = []
    var (group, bits, digits, padding) = (UInt32(0), 0, 0, 0)
    for byte in text {
      if byte == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let digit = base64Value(byte) else { return nil }
      group = group << 6 | digit
      bits += 6
      digits += 1
      if bits >= 8 {
        bits -= 8
        decoded.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
      }
    }
    guard digits % 4 != 1, padding == 0 || digits % 4 != 0 && (digits + padding) % 4 == 0 else {
      return nil
    }
    return decoded
  }

  private static func base64Value(_ digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  private static let hexDigits = Array("0123456789ABCDEF".utf8)
  private static let base64Digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
