import Bytes

/// Floating-point numbers as bytes of their width whose order is that of the numbers, after IEEE 754's total order:
/// big-endian, with the sign bit of a positive number set and all bits of a negative one complemented.
///
/// −0 is 0, and every NaN is the same one, which comes last; so all zeros are free for a column that is not set. A
/// value is never made of such bytes again.
enum OrderedFloat {
  /// - Parameters:
  ///   - bits: of a float, in the low half, or of a double.
  ///   - byteCount: 4 or 8.
  static func append(_ bits: UInt64, byteCount: Int, to writer: inout ByteWriter) {
    let ordered = ordered(bits, byteCount: byteCount)
    for shift in stride(from: 8 * (byteCount - 1), through: 0, by: -8) {
      writer.append(UInt8(truncatingIfNeeded: ordered >> UInt64(shift)))
    }
  }

  private static func ordered(_ bits: UInt64, byteCount: Int) -> UInt64 {
    let sign: UInt64 = 1 << UInt64(8 * byteCount - 1)
    let all = sign | (sign - 1)
    if isNaN(bits, byteCount: byteCount) {
      return byteCount == 8 ? 0xfff8_0000_0000_0000 : 0xffc0_0000
    }
    // −0 is 0.
    guard bits & all != sign else { return sign }
    return bits & sign == 0 ? bits | sign : ~bits & all
  }

  static func isNaN(_ bits: UInt64, byteCount: Int) -> Bool {
    byteCount == 8
      ? Double(bitPattern: bits).isNaN : Float(bitPattern: UInt32(truncatingIfNeeded: bits)).isNaN
  }

  /// What NaN begins with, and no number does: after all of them.
  static func beginningOfNaN(byteCount: Int) -> [UInt8] {
    byteCount == 8 ? [0xff, 0xf8] : [0xff, 0xc0]
  }

  /// The number that `bytes` begin with, as text; it is taken off them. Nil when they are too few.
  static func readText(_ bytes: inout ArraySlice<UInt8>, byteCount: Int) -> String? {
    guard bytes.count >= byteCount else { return nil }
    let ordered = bytes.prefix(byteCount).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    bytes.removeFirst(byteCount)
    let sign: UInt64 = 1 << UInt64(8 * byteCount - 1)
    let bits = ordered & sign != 0 ? ordered & ~sign : ~ordered & (sign | (sign - 1))
    return byteCount == 8
      ? "\(Double(bitPattern: bits))" : "\(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))"
  }
}
