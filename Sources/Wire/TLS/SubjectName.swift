/// Finds the common name in a certificate (X.509, RFC 5280), which swift-nio-ssl has no word for.
///
///     Certificate      SEQUENCE
///       TBSCertificate SEQUENCE
///         [0] version, optional
///         INTEGER serial number
///         SEQUENCE signature, SEQUENCE issuer, SEQUENCE validity
///         SEQUENCE subject: SET of SEQUENCE { OID, value } …
///
/// Bytes that are none of that give nil; nothing is read outside of them.
package enum SubjectName {
  private static let sequence: UInt8 = 0x30
  private static let set: UInt8 = 0x31
  private static let objectIdentifier: UInt8 = 0x06
  private static let version: UInt8 = 0xA0
  /// id-at-commonName, 2.5.4.3.
  private static let commonNameIdentifier: [UInt8] = [0x55, 0x04, 0x03]
  /// UTF8String, PrintableString and IA5String: what is written today, and is UTF-8 as it is.
  private static let texts: Set<UInt8> = [0x0C, 0x13, 0x16]

  /// The last one; nil when there is none, or when its bytes are no text.
  package static func commonName(ofCertificate der: [UInt8]) -> String? {
    var file = DERReader(der[...])
    guard let certificate = file.next(sequence) else { return nil }
    var outer = DERReader(certificate)
    guard let body = outer.next(sequence) else { return nil }
    var fields = DERReader(body)
    guard let first = fields.next() else { return nil }
    // The serial number is after the version, if that is written.
    if first.tag == version, fields.next() == nil { return nil }
    for _ in 0..<3 { guard fields.next(sequence) != nil else { return nil } }
    guard let subject = fields.next(sequence) else { return nil }
    var found: String?
    var names = DERReader(subject)
    while let name = names.next(set) {
      var attributes = DERReader(name)
      while let attribute = attributes.next(sequence) {
        var parts = DERReader(attribute)
        guard parts.next(objectIdentifier).map(Array.init) == commonNameIdentifier,
          let value = parts.next()
        else { continue }
        found = texts.contains(value.tag) ? text(value.content) : nil
      }
    }
    return found
  }

  /// Printable UTF-8; nil when it is something else, or nothing.
  package static func text(_ bytes: some Collection<UInt8>) -> String? {
    guard !bytes.isEmpty, bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }
}

/// Elements of DER (X.690), one after the other.
private struct DERReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The content of the next element if it has this tag; else nil, and nothing more is read.
  mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
    guard let element = next(), element.tag == tag else {
      rest = []
      return nil
    }
    return element.content
  }

  mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
    guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
    var length = Int(first)
    if first >= 0x80 {
      let count = Int(first) - 0x80
      guard (1...4).contains(count), rest.count >= count else { return nil }
      length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(count)
    }
    guard length <= rest.count else { return nil }
    defer { rest = rest.dropFirst(length) }
    return (tag, rest.prefix(length))
  }
}
