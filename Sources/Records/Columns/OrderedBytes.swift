package import Bytes

// SAFETY: bytes are lent until the return, and read within their count.

/// Byte strings as bytes that say where they end and keep the order: 00 becomes 00 FF, and 00 01 is the end.
///
/// 00 00 is a column that is not set: it comes before all strings.
package enum OrderedBytes {
  private static let escape: UInt8 = 0x00
  private static let escapedZero: UInt8 = 0xff
  private static let end: UInt8 = 0x01

  /// Appends a string and its end.
  @safe
  package static func append(_ bytes: UnsafeRawBufferPointer, to writer: inout ByteWriter) {
    appendOpen(bytes, to: &writer)
    writer.append(escape)
    writer.append(end)
  }

  /// Appends what all strings begin with that begin with these bytes.
  @safe
  static func appendOpen(_ bytes: UnsafeRawBufferPointer, to writer: inout ByteWriter) {
    var rest = unsafe bytes
    while let zero = unsafe rest.firstIndex(of: 0) {
      unsafe writer.append(UnsafeRawBufferPointer(rebasing: rest[...zero]))
      writer.append(escapedZero)
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest[(zero + 1)...])
    }
    writer.append(rest)
  }

  /// Reads the string that `bytes` begin with and takes it off them, with its end; nil when they begin with none.
  package static func read(_ bytes: inout ArraySlice<UInt8>) -> [UInt8]? {
    var string: [UInt8] = []
    while let zero = bytes.firstIndex(of: escape) {
      string += bytes[..<zero]
      bytes = bytes[(zero + 1)...]
      switch bytes.popFirst() {
      case end: return string
      case escapedZero: string.append(0)
      default: return nil
      }
    }
    return nil
  }
}
