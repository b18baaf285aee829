package import Bytes

/// Integers as bytes whose order is that of the numbers: −2⁶³ to 2⁶⁴−1, one form for all integer types.
///
///     0 … 111           80 … EF
///     larger            F0 … F7, then 1 to 8 bytes, big-endian: the number
///     −1 … −112         7F … 10
///     smaller           0F … 08, then 1 to 8 bytes, big-endian: the low bytes of the number
///
/// A number has one form, the shortest. The first byte says how long it is, and is never 00 to 07 or F8 to FF: a column
/// that is not set is 00. The width of a field's type does not show, so that int32 may become int64.
package enum OrderedInteger {
  private static let smallCount: UInt64 = 112

  /// Appends a number of 0 and up.
  package static func append(_ value: UInt64, to writer: inout ByteWriter) {
    guard value >= smallCount else { return writer.append(0x80 + UInt8(value)) }
    let count = byteCount(value)
    writer.append(0xef + UInt8(count))
    appendLow(count, of: value, to: &writer)
  }

  /// Appends any number of 64 bits with a sign.
  package static func append(_ value: Int64, to writer: inout ByteWriter) {
    guard value < 0 else { return append(UInt64(value), to: &writer) }
    let distance = UInt64(~value)
    guard distance >= smallCount else { return writer.append(0x7f - UInt8(distance)) }
    let count = byteCount(distance)
    writer.append(0x10 - UInt8(count))
    appendLow(count, of: UInt64(bitPattern: value), to: &writer)
  }

  private static func byteCount(_ value: UInt64) -> Int { 8 - value.leadingZeroBitCount / 8 }

  private static func appendLow(_ count: Int, of value: UInt64, to writer: inout ByteWriter) {
    for index in stride(from: count - 1, through: 0, by: -1) {
      writer.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
    }
  }

  /// A number that was read.
  package struct Value: Equatable {
    /// Below 0.
    package let isNegative: Bool
    /// In two's complement.
    package let bits: UInt64

    /// In decimal.
    package var text: String { isNegative ? "\(Int64(bitPattern: bits))" : "\(bits)" }
  }

  /// Reads the number that `bytes` begin with and takes it off them; nil when they begin with none in its one form.
  package static func read(_ bytes: inout ArraySlice<UInt8>) -> Value? {
    guard let first = bytes.first else { return nil }
    switch first {
    case 0x80...0xef:
      bytes.removeFirst()
      return Value(isNegative: false, bits: UInt64(first - 0x80))
    case 0x10...0x7f:
      bytes.removeFirst()
      return Value(isNegative: true, bits: ~UInt64(0x7f - first))
    case 0xf0...0xf7:
      let count = Int(first - 0xef)
      guard let low = low(count, of: bytes), low >= smallCount, byteCount(low) == count else {
        return nil
      }
      bytes.removeFirst(count + 1)
      return Value(isNegative: false, bits: low)
    case 0x08...0x0f:
      let count = Int(0x10 - first)
      guard let low = low(count, of: bytes) else { return nil }
      let bits = count == 8 ? low : low | UInt64.max << UInt64(8 * count)
      guard bits >> 63 == 1, ~bits >= smallCount, byteCount(~bits) == count else { return nil }
      bytes.removeFirst(count + 1)
      return Value(isNegative: true, bits: bits)
    default: return nil
    }
  }

  /// The number in the bytes after the first one.
  private static func low(_ count: Int, of bytes: ArraySlice<UInt8>) -> UInt64? {
    guard bytes.count > count else { return nil }
    return bytes.dropFirst().prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
  }
}
