package import NIOCore
package import Platform

/// Who is at the other end of a connection, as far as the server knows.
package struct PeerIdentity: Sendable {
  /// What carries a connection.
  package enum Link: Sendable {
    case plaintext
    case tls
    /// From a process of this machine that may open the socket's file.
    case unixSocket
  }

  let remoteAddress: SocketAddress?
  /// How the bytes come.
  package let link: Link
  /// What the client has proved that it is; nil without one. Only of a server that was given authorities to trust.
  package let certificate: PeerCertificate?

  package init(
    remoteAddress: SocketAddress?, link: Link = .plaintext, certificate: PeerCertificate? = nil
  ) {
    self.remoteAddress = remoteAddress
    if case .unixDomainSocket? = remoteAddress { self.link = .unixSocket } else { self.link = link }
    self.certificate = certificate
  }

  /// `127.0.0.1:50000`, `[::1]:50000` or `unix`; nil without a socket. O(1), but makes a String.
  package var address: String? {
    if link == .unixSocket { return "unix" }
    guard let ip = remoteAddress?.ipAddress, let port = remoteAddress?.port else { return nil }
    return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
  }

  /// Whether what the client sends stays on this machine: by a Unix socket, the loopback interface, or no socket at
  /// all. O(1), but makes a String.
  package var isLocal: Bool {
    link == .unixSocket || remoteAddress?.ipAddress.map(ListenAddress.isLoopback) ?? true
  }

  /// Whether a secret may be sent to the server: nobody else on the network reads it. O(1), but makes a String.
  package var isConfidential: Bool { link == .tls || isLocal }
}

/// What the certificate of a client names, once it was verified against the authorities that the server trusts.
///
/// Names with bytes that no name has, such as NUL, are left out.
package struct PeerCertificate: Sendable, Equatable {
  /// The names of hosts (subject alternative names of type DNS), in lower case, in the certificate's order.
  package let dnsNames: [String]
  /// Such as SPIFFE ids (subject alternative names of type URI), as they are written.
  package let uris: [String]
  /// The last CN of the subject, as it is written. An authority vouches for it less than for the others.
  package let commonName: String?
  /// The last moment at which it is valid; nil is for ever.
  package let expires: Timestamp?

  /// All of them as an access file writes them, those first that an authority vouches for most:
  /// `URI:spiffe://x/billing`, `DNS:billing.internal`, `CN:billing`.
  package var names: [String] {
    uris.map { "URI:" + $0 } + dnsNames.map { "DNS:" + $0 }
      + (commonName.map { ["CN:" + $0] } ?? [])
  }

  package init(
    dnsNames: [String] = [], uris: [String] = [], commonName: String? = nil,
    expires: Timestamp? = nil
  ) {
    self.dnsNames = dnsNames
    self.uris = uris
    self.commonName = commonName
    self.expires = expires
  }
}
