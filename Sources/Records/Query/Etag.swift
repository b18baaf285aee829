package import Bytes

// SAFETY: a text is lent until the return.

/// Tells one state of a record from another: a hash of its stored bytes under the database's identity.
///
/// Equal bytes have equal etags, so a record that was changed and changed back has the etag that it had before.
package struct Etag: Equatable, Sendable {
  /// Of its text, in hexadecimal digits.
  static let byteCount = 16

  /// The hash.
  package let value: UInt64

  init(_ value: UInt64) { self.value = value }

  @safe
  init(of record: UnsafeRawBufferPointer, hash: SipHash) { value = hash.hash(record) }

  /// Reads what ``text`` writes; nil when it is something else, which is no record's.
  @safe
  init?(text: UnsafeRawBufferPointer) {
    guard text.count == Self.byteCount else { return nil }
    var value: UInt64 = 0
    for place in 0..<Self.byteCount {
      let letter = unsafe text[place]
      switch letter {
      case 0x30...0x39: value = value << 4 | UInt64(letter - 0x30)
      case 0x61...0x66: value = value << 4 | UInt64(letter - 0x57)
      default: return nil
      }
    }
    self.value = value
  }

  /// Appends a field with its text.
  package func append(_ field: Int, to writer: inout ByteWriter) {
    writer.appendTag(field, wireType: 2)
    writer.append(UInt8(Self.byteCount))
    for shift in stride(from: UInt64(60), through: 0, by: -4) { writer.append(digit(shift)) }
  }

  /// 16 hexadecimal digits.
  package var text: String {
    let digits = stride(from: UInt64(60), through: 0, by: -4).map { digit($0) }
    return String(decoding: digits, as: UTF8.self)
  }

  @inline(__always)
  private func digit(_ shift: UInt64) -> UInt8 {
    let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
    return digit < 10 ? digit + 0x30 : digit + 0x57
  }
}
