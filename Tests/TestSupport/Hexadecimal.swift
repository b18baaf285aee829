/// Bytes as digits, two each.
package enum Hexadecimal {
  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// - Precondition: an even number of digits, and nothing else.
  package static func bytes(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8).map { digit -> UInt8 in
      guard let value = Int(String(UnicodeScalar(digit)), radix: 16) else {
        preconditionFailure("\(text) has a letter that is no digit")
      }
      return UInt8(value)
    }
    precondition(digits.count % 2 == 0)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
