/// Checks that bytes are UTF-8 exactly as RFC 3629 has it: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
///
/// Unsafe island: loads eight bytes at a time; every load is checked to end inside the buffer.
package enum UTF8Validation {
  private static let highBits: UInt64 = 0x8080_8080_8080_8080

  /// The offset of the first byte of the first sequence that is not UTF-8; nil when all is well.
  @safe
  static func firstInvalidOffset(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let offset = unsafe firstInvalid(base, from: 0, to: bytes.count)
    return offset < 0 ? nil : offset
  }

  /// The same of an array.
  static func firstInvalidOffset(in bytes: [UInt8]) -> Int? {
    unsafe bytes.withUnsafeBytes { firstInvalidOffset(in: $0) }
  }

  /// Like ``firstInvalidOffset(in:)`` for the bytes `start..<end` of `base`; -1 when all is well.
  @inline(__always)
  package static func firstInvalid(_ base: UnsafeRawPointer, from start: Int, to end: Int) -> Int {
    return unsafe isASCII(base, from: start, to: end)
      ? -1 : firstInvalidSlow(base, from: start, to: end)
  }

  @inline(__always)
  private static func isASCII(_ base: UnsafeRawPointer, from start: Int, to end: Int) -> Bool {
    let count = end &- start
    // SAFETY: every load lies in `start..<end`: what is left at the end is read again together with
    // bytes before it, which the count shows to be there.
    if count >= 8 {
      var bits = unsafe base.loadUnaligned(fromByteOffset: end &- 8, as: UInt64.self)
      var offset = start
      while offset < end &- 8 {
        unsafe bits |= base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        offset &+= 8
      }
      return bits & highBits == 0
    }
    if count >= 4 {
      let bits =
        unsafe base.loadUnaligned(fromByteOffset: start, as: UInt32.self)
        | base.loadUnaligned(fromByteOffset: end &- 4, as: UInt32.self)
      return bits & UInt32(truncatingIfNeeded: highBits) == 0
    }
    var offset = start
    while offset < end {
      guard unsafe base.load(fromByteOffset: offset, as: UInt8.self) < 0x80 else { return false }
      offset &+= 1
    }
    return true
  }

  @inline(never)
  private static func firstInvalidSlow(
    _ base: UnsafeRawPointer, from start: Int, to end: Int
  ) -> Int {
    var offset = start
    while offset < end {
      // SAFETY: `offset < end`, and `at` is asked for no offset that is not below `end`.
      let first = unsafe base.load(fromByteOffset: offset, as: UInt8.self)
      if first < 0x80 {
        offset &+= 1
        while end &- offset >= 8,
          unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & highBits == 0
        {
          offset &+= 8
        }
        continue
      }
      let length: Int
      // The second byte has a narrower range after E0 and F0 (overlong), ED (surrogates), F4
      // (limit).
      var secondRange: ClosedRange<UInt8> = 0x80...0xBF
      switch first {
      case 0xC2...0xDF: length = 2
      case 0xE0:
        length = 3
        secondRange = 0xA0...0xBF
      case 0xED:
        length = 3
        secondRange = 0x80...0x9F
      case 0xE1...0xEF: length = 3
      case 0xF0:
        length = 4
        secondRange = 0x90...0xBF
      case 0xF1...0xF3: length = 4
      case 0xF4:
        length = 4
        secondRange = 0x80...0x8F
      default: return offset
      }
      guard end &- offset >= length,
        unsafe secondRange.contains(base.load(fromByteOffset: offset &+ 1, as: UInt8.self))
      else { return offset }
      var next = 2
      while next < length {
        guard unsafe base.load(fromByteOffset: offset &+ next, as: UInt8.self) & 0xC0 == 0x80 else {
          return offset
        }
        next &+= 1
      }
      offset &+= length
    }
    return -1
  }
}
