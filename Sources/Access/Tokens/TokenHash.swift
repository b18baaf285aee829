import CCrypto

// SAFETY: the state of the hash and its result are our own, and lent to each function until that returns; the result
// has the 32 bytes that are written. The token's bytes are lent until `init` returns, within their count.

/// The SHA-256 of a token's text.
///
/// Two are compared in a time that does not depend on where they differ.
package struct TokenHash: Hashable, Sendable {
  /// Its digits in hexadecimal.
  static let digitCount = 64

  private let words: (UInt64, UInt64, UInt64, UInt64)

  /// - Parameter token: the whole text.
  @safe
  package init(of token: UnsafeRawBufferPointer) {
    var state = SHA256_CTX()
    var result: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    unsafe SHA256_Init(&state)
    unsafe SHA256_Update(&state, token.baseAddress, token.count)
    unsafe withUnsafeMutableBytes(of: &result) { bytes in
      _ = unsafe SHA256_Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &state)
    }
    words = (
      result.0.bigEndian, result.1.bigEndian, result.2.bigEndian, result.3.bigEndian
    )
  }

  /// - Parameter hexadecimal: 64 digits; nil for anything else.
  init?(hexadecimal: String) {
    let digits = Array(hexadecimal.utf8)
    guard digits.count == Self.digitCount else { return nil }
    var words: [UInt64] = []
    for start in stride(from: 0, to: Self.digitCount, by: 16) {
      let part = digits[start..<start + 16]
      guard part.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }),
        let word = UInt64(String(decoding: part, as: UTF8.self), radix: 16)
      else { return nil }
      words.append(word)
    }
    self.words = (words[0], words[1], words[2], words[3])
  }

  /// 64 digits in lower case.
  package var hexadecimal: String {
    [words.0, words.1, words.2, words.3].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }

  package static func == (first: TokenHash, second: TokenHash) -> Bool {
    let (a, b) = (first.words, second.words)
    return (a.0 ^ b.0) | (a.1 ^ b.1) | (a.2 ^ b.2) | (a.3 ^ b.3) == 0
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
  }
}
