/// Parts of a certificate (X.509, RFC 5280 §4.1), which swift-nio-ssl has no word for. Each is what its element holds.
///
///     Certificate      SEQUENCE
///       TBSCertificate SEQUENCE
///         [0] version, optional
///         INTEGER serial number
///         SEQUENCE signature, SEQUENCE issuer, SEQUENCE validity, SEQUENCE subject
///         SEQUENCE subject's public key …
struct CertificateFields {
  let issuer: ArraySlice<UInt8>
  let subject: ArraySlice<UInt8>
  let publicKey: ArraySlice<UInt8>

  private static let version: UInt8 = 0xA0

  /// Bytes that are none of that give nil.
  init?(_ der: [UInt8]) {
    var file = DERReader(der[...])
    guard let certificate = file.next(DERReader.sequence) else { return nil }
    var outer = DERReader(certificate)
    guard let body = outer.next(DERReader.sequence) else { return nil }
    var fields = DERReader(body)
    guard let first = fields.next() else { return nil }
    // The serial number is after the version, if that is written.
    if first.tag == Self.version, fields.next() == nil { return nil }
    guard fields.next(DERReader.sequence) != nil,
      let issuer = fields.next(DERReader.sequence),
      fields.next(DERReader.sequence) != nil,
      let subject = fields.next(DERReader.sequence),
      let publicKey = fields.next(DERReader.sequence)
    else { return nil }
    self.issuer = issuer
    self.subject = subject
    self.publicKey = publicKey
  }
}

/// A name by which a certificate finds its authority (RFC 5280 §7.1): upper and lower case are the same in it, and so
/// are one space and several.
struct DistinguishedName: Hashable, Sendable {
  /// Object identifier and value in turn.
  private let parts: [[UInt8]]

  /// UTF8String, PrintableString, IA5String and VisibleString: they hold the same bytes for the same text.
  private static let texts: Set<UInt8> = [0x0C, 0x13, 0x16, 0x1A]

  /// Nil when it is written in a way that cannot be compared.
  ///
  /// - Parameter content: of the element, one SET after the other.
  init?(_ content: ArraySlice<UInt8>) {
    var parts: [[UInt8]] = []
    var names = DERReader(content)
    while !names.isAtEnd {
      guard let name = names.next(DERReader.set) else { return nil }
      var attributes = DERReader(name)
      while !attributes.isAtEnd {
        guard let attribute = attributes.next(DERReader.sequence) else { return nil }
        var pair = DERReader(attribute)
        guard let identifier = pair.next(DERReader.objectIdentifier), let value = pair.next(),
          Self.texts.contains(value.tag)
        else { return nil }
        parts += [Array(identifier), Self.folded(value.content)]
      }
      // Several attributes in one part are a set, whose end is told.
      parts.append([])
    }
    self.parts = parts
  }

  private static func folded(_ text: ArraySlice<UInt8>) -> [UInt8] {
    let words = text.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
    return Array(words.joined(separator: [0x20])).map {
      (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0
    }
  }
}
