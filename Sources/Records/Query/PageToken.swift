import Bytes

// SAFETY: bytes are lent until the return, and read below their count; a writer is not changed while its own are read.

/// Where the next page of a query begins: after the last key of the page before.
///
/// As text it is base64url without padding (RFC 4648, section 5) of
///
///     +---------+--------------+------------------+------------+
///     | version | query        | last key         | check      |
///     | 1: 01   | 8            | 1 … 4096         | 4          |
///     +---------+--------------+------------------+------------+
///
/// `query` is the ``SipHash`` of the keys and the order that are asked for, `check` the low half of that of all bytes
/// before it; both are in big-endian order and under the identity of the database. So a token is refused that was cut
/// or changed, or that is of another database, model, expression or order. It authorises nothing and names no moment:
/// the server keeps nothing of a page, and a restart does no harm.
struct PageToken {
  private static let version: UInt8 = 1
  private static let headBytes = 9
  private static let checkBytes = 4

  /// The text of the token for the page after `lastKey`.
  @safe
  static func text(query: UInt64, lastKey: UnsafeRawBufferPointer, hash: SipHash) -> [UInt8] {
    var writer = ByteWriter(capacity: headBytes + lastKey.count + checkBytes)
    writer.append(version)
    writer.appendBigEndian(query)
    writer.append(lastKey)
    unsafe writer.appendBigEndian(UInt32(truncatingIfNeeded: hash.hash(writer.bytes)))
    return unsafe Base64URL.encode(writer.bytes)
  }

  /// The last key of the page before.
  @safe
  static func lastKey(
    of text: UnsafeRawBufferPointer, query: UInt64, hash: SipHash
  ) throws(QueryError) -> [UInt8] {
    guard let bytes = Base64URL.decode(text), bytes.count > headBytes + checkBytes else {
      throw .badPageToken(.damaged)
    }
    let checked = bytes.count - checkBytes
    let expected = unsafe bytes.withUnsafeBytes { bytes in
      unsafe UInt32(
        truncatingIfNeeded: hash.hash(UnsafeRawBufferPointer(rebasing: bytes[..<checked])))
    }
    guard integer(bytes[checked...]) == UInt64(expected), bytes[0] == version else {
      throw .badPageToken(.damaged)
    }
    guard integer(bytes[1..<headBytes]) == query else { throw .badPageToken(.ofAnotherQuery) }
    return Array(bytes[headBytes..<checked])
  }

  private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// Base64 with the alphabet for file names and URLs, without padding (RFC 4648, section 5).
enum Base64URL {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  @safe
  static func encode(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 4 + 2) / 3)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var group = 0
      for index in 0..<3 {
        group = unsafe group << 8 | (index < count ? Int(bytes[start + index]) : 0)
      }
      for index in 0...count { text.append(digits[group >> (18 - 6 * index) & 63]) }
    }
    return text
  }

  /// - Returns: nil for any text that ``encode(_:)`` does not give.
  @safe
  static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count * 3 / 4)
    for start in stride(from: 0, to: text.count, by: 4) {
      let count = min(4, text.count - start)
      guard count > 1 else { return nil }
      var group = 0
      for index in 0..<4 {
        guard let value = unsafe index < count ? value(of: text[start + index]) : 0 else {
          return nil
        }
        group = group << 6 | value
      }
      for index in 0..<count - 1 { bytes.append(UInt8(group >> (16 - 8 * index) & 255)) }
      // Bits that are in no byte are zero.
      guard group & ((1 << (8 * (4 - count))) - 1) == 0 else { return nil }
    }
    return bytes
  }

  private static func value(of digit: UInt8) -> Int? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(digit) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(digit) - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit) + 4
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
