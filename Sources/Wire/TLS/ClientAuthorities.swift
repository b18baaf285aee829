import NIOSSL
import Platform

/// The authorities whose clients a server lets in, as they were at one time.
///
/// Thread-safety: immutable.
package final class ClientAuthorities: Sendable {
  /// What vouches for a certificate (RFC 5280 §6.1.1 d): a name and a key. A certificate that was renewed with both has
  /// vouched for the same ones.
  private struct Anchor: Sendable {
    let der: [UInt8]
    let subject: DistinguishedName?
    let issuer: DistinguishedName?
    let publicKey: [UInt8]

    init(_ der: [UInt8]) {
      let fields = CertificateFields(der)
      self.der = der
      subject = fields.flatMap { DistinguishedName($0.subject) }
      issuer = fields.flatMap { DistinguishedName($0.issuer) }
      publicKey = fields.map { Array($0.publicKey) } ?? []
    }

    func isSame(as other: Anchor) -> Bool {
      if der == other.der { return true }
      return subject != nil && subject == other.subject && issuer == other.issuer
        && publicKey == other.publicKey
    }
  }

  private let anchors: [Anchor]

  /// - Parameter certificates: of the authorities, in DER.
  package init(_ certificates: [[UInt8]]) { anchors = certificates.map(Anchor.init) }

  /// Whether these vouch for a certificate for which earlier ones have vouched.
  ///
  /// Signatures are not looked at again: whoever could have vouched is found by the names, and all of them have to be
  /// there still. A client that has shown certificates between its own and its authority is not vouched for once
  /// any authority is gone: which one it was is not known.
  ///
  /// - Parameters:
  ///   - der: the client's certificate.
  ///   - earlier: those that it was verified by.
  package func vouch(for der: [UInt8], verifiedBy earlier: ClientAuthorities) -> Bool {
    let gone = earlier.anchors.map { anchor in !anchors.contains { $0.isSame(as: anchor) } }
    guard gone.contains(true) else { return true }
    // What cannot be compared may be anybody's name.
    guard let issuer = CertificateFields(der).flatMap({ DistinguishedName($0.issuer) }),
      zip(gone, earlier.anchors).allSatisfy({ !$0 || $1.subject != nil })
    else { return false }
    var (names, next) = ([issuer], 0)
    while next < names.count {
      let places = earlier.anchors.indices.filter { earlier.anchors[$0].subject == names[next] }
      guard !places.isEmpty, !places.contains(where: { gone[$0] }) else { return false }
      for place in places {
        guard let above = earlier.anchors[place].issuer else { return false }
        if !names.contains(above) { names.append(above) }
      }
      next += 1
    }
    return true
  }
}

/// Why a client that was let in by its certificate is so no more.
package enum LostTrust: Sendable {
  case expired
  case withdrawn
}

/// A client's certificate that was verified, and what by.
struct VerifiedClient {
  /// - Parameter date: the last moment at which it is valid.
  let expires: Timestamp
  private let certificate: [UInt8]
  private let identity: TLSIdentity
  /// That vouch for it.
  private var authorities: ClientAuthorities

  init(
    _ certificate: NIOSSLCertificate, _ identity: TLSIdentity,
    verifiedBy authorities: ClientAuthorities
  ) {
    expires = Timestamp(seconds: Int64(certificate.notValidAfter))
    self.certificate = (try? certificate.toDERBytes()) ?? []
    self.identity = identity
    self.authorities = authorities
  }

  /// Why it is not to be let in any more; nil when it is. Of authorities that have not changed O(1).
  mutating func lostTrust(now: Timestamp = .coarse()) -> LostTrust? {
    guard now <= expires else { return .expired }
    guard let current = identity.authorities else { return .withdrawn }
    guard current !== authorities else { return nil }
    guard current.vouch(for: certificate, verifiedBy: authorities) else { return .withdrawn }
    authorities = current
    return nil
  }
}
