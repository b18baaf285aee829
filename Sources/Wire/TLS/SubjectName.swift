/// Finds the common name in a certificate, which swift-nio-ssl has no word for.
///
/// A subject is one SET of SEQUENCE { OID, value } after the other (RFC 5280 §4.1.2.4).
package enum SubjectName {
  /// id-at-commonName, 2.5.4.3.
  private static let commonNameIdentifier: [UInt8] = [0x55, 0x04, 0x03]
  /// UTF8String, PrintableString and IA5String: what is written today, and is UTF-8 as it is.
  private static let texts: Set<UInt8> = [0x0C, 0x13, 0x16]

  /// The last one; nil when there is none, or when its bytes are no text.
  package static func commonName(ofCertificate der: [UInt8]) -> String? {
    guard let subject = CertificateFields(der)?.subject else { return nil }
    var found: String?
    var names = DERReader(subject)
    while let name = names.next(DERReader.set) {
      var attributes = DERReader(name)
      while let attribute = attributes.next(DERReader.sequence) {
        var parts = DERReader(attribute)
        guard parts.next(DERReader.objectIdentifier).map(Array.init) == commonNameIdentifier,
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
