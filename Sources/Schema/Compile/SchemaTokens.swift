/// Splits the text of a .proto file into tokens, leaving out blanks and comments.
///
/// Only as exact as finding statements and type names needs: protoc has accepted the text, or will
/// say what is wrong with it.
struct SchemaTokens: Sequence, IteratorProtocol {
  struct Token: Equatable {
    enum Kind: Equatable { case identifier, number, string, symbol }
    let kind: Kind
    /// Where its bytes are.
    let range: Range<Int>
  }

  private let bytes: [UInt8]
  private var offset: Int

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    offset = 0
  }

  mutating func next() -> Token? {
    skipBlanksAndComments()
    guard offset < bytes.count else { return nil }
    let start = offset
    let first = bytes[start]
    if isLetter(first) {
      advance { isLetter($0) || isDigit($0) }
      return Token(kind: .identifier, range: start..<offset)
    }
    if isDigit(first) {
      advance { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: ".") }
      return Token(kind: .number, range: start..<offset)
    }
    if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
      skipString(quote: first)
      return Token(kind: .string, range: start..<offset)
    }
    offset += 1
    return Token(kind: .symbol, range: start..<offset)
  }

  private mutating func skipBlanksAndComments() {
    while offset < bytes.count {
      let byte = bytes[offset]
      let following = offset + 1 < bytes.count ? bytes[offset + 1] : 0
      if byte <= UInt8(ascii: " ") {
        offset += 1
      } else if byte == UInt8(ascii: "/") && following == UInt8(ascii: "/") {
        advance { $0 != UInt8(ascii: "\n") }
      } else if byte == UInt8(ascii: "/") && following == UInt8(ascii: "*") {
        // Past one byte of the comment's text, so that `/*/` does not end it.
        offset += 3
        while offset < bytes.count {
          if bytes[offset] == UInt8(ascii: "/") && bytes[offset - 1] == UInt8(ascii: "*") { break }
          offset += 1
        }
        offset += 1
      } else {
        return
      }
    }
  }

  private mutating func skipString(quote: UInt8) {
    offset += 1
    while offset < bytes.count, bytes[offset] != quote, bytes[offset] != UInt8(ascii: "\n") {
      offset += bytes[offset] == UInt8(ascii: "\\") ? 2 : 1
    }
    offset = Swift.min(offset + 1, bytes.count)
  }

  private mutating func advance(while condition: (UInt8) -> Bool) {
    while offset < bytes.count, condition(bytes[offset]) { offset += 1 }
  }
}

private func isLetter(_ byte: UInt8) -> Bool {
  (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
    || byte == UInt8(ascii: "_")
}

private func isDigit(_ byte: UInt8) -> Bool {
  byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
}
