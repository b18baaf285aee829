package import NIOSSL
import Platform

extension PeerCertificate {
  /// What a certificate names that BoringSSL has verified. O(its bytes).
  package init(_ certificate: NIOSSLCertificate) {
    var dnsNames: [String] = []
    var uris: [String] = []
    for name in certificate._subjectAlternativeNames() {
      guard name.nameType == .dnsName || name.nameType == .uri,
        let text = SubjectName.text(Array(name.contents))
      else { continue }
      if name.nameType == .uri { uris.append(text) } else { dnsNames.append(text.lowercased()) }
    }
    self.init(
      dnsNames: dnsNames, uris: uris,
      commonName: (try? certificate.toDERBytes()).flatMap(SubjectName.commonName(ofCertificate:)),
      expires: Timestamp(seconds: Int64(certificate.notValidAfter)))
  }
}
