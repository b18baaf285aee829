import NIOSSL
import Platform
import TestSupport
import Testing
import Wire

@Suite("Peer certificate") struct PeerCertificateTests {
  @Test func readsTheNames() async throws {
    let files = try await TLSTestFiles()
    let certificate = try #require(
      try NIOSSLCertificate.fromPEMFile(files.certificate(.client)).first)
    let expires = Timestamp(seconds: Int64(certificate.notValidAfter))
    #expect((3649...3651).contains((expires.seconds - Timestamp.coarse().seconds) / 86_400 + 1))
    #expect(
      PeerCertificate(certificate)
        == PeerCertificate(
          dnsNames: ["billing.internal"], uris: ["spiffe://test/billing"], commonName: "billing",
          expires: expires))
    let authority = try #require(
      try NIOSSLCertificate.fromPEMFile(files.certificate(.authority)).first)
    #expect(PeerCertificate(authority).names == ["CN:Test authority"])
  }

  /// Whatever the bytes are, the reader ends, and reads nothing outside of them.
  @Test func survivesAnyBytes() async throws {
    let files = try await TLSTestFiles()
    let certificate = try #require(
      try NIOSSLCertificate.fromPEMFile(files.certificate(.client)).first)
    let der = try certificate.toDERBytes()
    var random = SeededGenerator.seeded("subject names")
    for count in 0..<der.count {
      #expect(SubjectName.commonName(ofCertificate: Array(der.prefix(count))) == nil)
    }
    for _ in 0..<20_000 {
      var changed = der
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        changed[Int.random(in: 0..<changed.count, using: &random)] = .random(
          in: 0...255, using: &random)
      }
      _ = SubjectName.commonName(ofCertificate: changed)
      let authorities = ClientAuthorities([changed])
      _ = authorities.vouch(for: changed, verifiedBy: ClientAuthorities([der, changed]))
    }
  }

  @Test(arguments: ["", "a\u{0}b", "line\n", "\u{7F}"]) func takesNoControlCharacters(name: String)
  {
    #expect(SubjectName.text(Array(name.utf8)) == nil)
    #expect(SubjectName.text([0xC3]) == nil)
    #expect(SubjectName.text(Array("é.example".utf8)) == "é.example")
  }
}
