// SAFETY: bytes are lent until the return, and read within their count.

/// What names and values of header fields may be made of (RFC 9110, section 5; RFC 9113, section 8.2.1).
enum FieldSyntax {
  /// Some of the 128 letters of ASCII.
  private struct Letters {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ letters: String) {
      for letter in letters.utf8 {
        if letter < 64 { low |= 1 << UInt64(letter) } else { high |= 1 << UInt64(letter - 64) }
      }
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
      byte < 128 && (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 == 1
    }

    func contains(allOf bytes: UnsafeRawBufferPointer) -> Bool {
      unsafe bytes.allSatisfy { contains($0) }
    }
  }

  private static let digits = "0123456789"
  private static let lower = "abcdefghijklmnopqrstuvwxyz"
  private static let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  private static let marks = "!#$%&'*+-.^_`|~"
  private static let nameLetters = Letters(digits + lower + marks)
  private static let methodLetters = Letters(digits + lower + upper + marks)
  private static let authorityLetters = Letters(digits + lower + upper + "!$%&'()*+,-.:;=@[]_~")
  private static let schemeLetters = Letters(digits + lower + upper + "+-.")

  /// A field's name, in lower case; not that of a pseudo-header field.
  @safe
  static func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe !bytes.isEmpty && nameLetters.contains(allOf: bytes)
  }

  @safe
  static func isMethod(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe !bytes.isEmpty && methodLetters.contains(allOf: bytes)
  }

  @safe
  static func isAuthority(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe authorityLetters.contains(allOf: bytes)
  }

  @safe
  static func isScheme(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let first = unsafe bytes.first else { return false }
    let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20)
    return unsafe isLetter && schemeLetters.contains(allOf: bytes)
  }

  /// Anything but spaces and control characters.
  @safe
  static func isPath(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe bytes.allSatisfy { $0 > 0x20 && $0 != 0x7f }
  }

  /// No control character but a tab, and no space or tab at an end.
  @safe
  static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let first = unsafe bytes.first, let last = unsafe bytes.last else { return true }
    guard first != 0x20 && first != 0x09 && last != 0x20 && last != 0x09 else { return false }
    var offset = 0
    while bytes.count &- offset >= 8 {
      let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if mayHaveControl(word) { break }
      offset &+= 8
    }
    while offset < bytes.count {
      let byte = unsafe bytes[offset]
      guard byte >= 0x20 && byte != 0x7f || byte == 0x09 else { return false }
      offset &+= 1
    }
    return true
  }

  /// Whether one of eight bytes is below 20 or is 7F; now and then also when none is.
  @inline(__always)
  private static func mayHaveControl(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let small = (word &- ones &* 0x20) & ~word
    let delete = word ^ ones &* 0x7f
    return (small | (delete &- ones) & ~delete) & ones &* 0x80 != 0
  }
}
