package import Platform

/// A token: what a client shows to be let in. Only its hash is kept anywhere.
package struct AccessToken: Sendable {
  /// What our own tokens begin with, so that a scanner for secrets finds them.
  package static let prefix = "sdb_"
  private static let randomBytes = 32
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// The secret. 47 characters.
  package let text: String

  /// A new one, of the system's random source.
  package static func make() -> AccessToken {
    var source = SystemRandomNumberGenerator()
    var text: [UInt8] = Array(prefix.utf8)
    var (bits, count) = (UInt32(0), 0)
    for _ in 0..<randomBytes {
      bits = bits << 8 | UInt32(UInt8.random(in: 0...255, using: &source))
      count += 8
      while count >= 6 {
        count -= 6
        text.append(digits[Int(bits >> UInt32(count) & 63)])
      }
    }
    text.append(digits[Int(bits << UInt32(6 - count) & 63)])
    return AccessToken(text: String(decoding: text, as: UTF8.self))
  }

  /// What an access file has of it.
  package var hash: TokenHash {
    var text = text
    return text.withUTF8 { bytes in TokenHash(of: UnsafeRawBufferPointer(bytes)) }
  }

  /// The table of an access file that knows the token.
  ///
  /// - Parameters:
  ///   - id: see ``AccessName``.
  ///   - roles: the same.
  package func table(id: String, roles: [String], expires: Timestamp?) -> String {
    var lines = [
      "[[token]]", "id = \"\(id)\"", "sha256 = \"\(hash.hexadecimal)\"",
      "roles = [\(roles.map { "\"\($0)\"" }.joined(separator: ", "))]"
        + (roles.isEmpty ? "  # name roles of this file here" : ""),
    ]
    if let expires { lines.append("expires = \(expires.text)") }
    return lines.joined(separator: "\n")
  }

  /// Where tokens of ours are in a file as plain text.
  static func positions(in bytes: [UInt8]) -> [Int] {
    let first = Array(prefix.utf8)
    var found: [Int] = []
    var next = 0
    while let start = bytes[next...].firstIndex(of: first[0]) {
      next = start + 1
      guard bytes[start...].starts(with: first) else { continue }
      let length = bytes[(start + first.count)...].prefix { digits.contains($0) }.count
      if length >= 40 { found.append(start) }
      next = start + first.count + length
    }
    return found
  }
}

/// What tokens and roles may be called: 1 to 64 letters, digits and `.`, `_`, `-`, `@`, `/`, `:`.
package enum AccessName {
  /// In the words of an error.
  package static let rule = "1 to 64 letters, digits, and . _ - @ / :"

  /// Whether a text is such a name.
  package static func isValid(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        let scalar = UnicodeScalar(byte)
        return scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
          || "._-@/:".unicodeScalars.contains(scalar)
      }
  }
}
