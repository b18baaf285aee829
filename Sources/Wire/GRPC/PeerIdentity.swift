package import NIOCore

/// Who is at the other end of a connection, as far as the server knows.
package struct PeerIdentity: Sendable {
  /// Nil without a socket.
  let remoteAddress: SocketAddress?
  /// Whether nobody on the way can read or change what is said: TLS.
  package let isEncrypted: Bool
  /// The names in the client's certificate, if it showed one that the server has verified: of each kind as
  /// `URI:spiffe://example.org/billing`, `DNS:billing.internal` and `CN:billing`, in this order.
  package let certificateNames: [String]

  /// - Parameters:
  ///   - remoteAddress: see above; that of the connection's other end.
  ///   - isEncrypted: the same.
  ///   - certificateNames: the same; only names that a trusted authority stands for.
  package init(
    remoteAddress: SocketAddress?, isEncrypted: Bool = false, certificateNames: [String] = []
  ) {
    self.remoteAddress = remoteAddress
    self.isEncrypted = isEncrypted
    self.certificateNames = certificateNames
  }

  /// `127.0.0.1:50000` or `[::1]:50000`; nil without a socket. O(1), but makes a String.
  package var address: String? {
    guard let ip = remoteAddress?.ipAddress, let port = remoteAddress?.port else { return nil }
    return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
  }

  /// Whether what is said does not leave this machine: a loopback address, a Unix socket, or no socket at all.
  package var isOnThisMachine: Bool { remoteAddress?.isLoopback ?? true }
}

extension SocketAddress {
  /// Whether it is reached from this machine alone: 127.0.0.0/8, also as IPv6 has it, ::1, and Unix sockets.
  package var isLoopback: Bool {
    switch self {
    case .unixDomainSocket: true
    case .v4: ipAddress?.hasPrefix("127.") ?? false
    case .v6: ipAddress == "::1" || ipAddress?.lowercased().hasPrefix("::ffff:127.") ?? false
    }
  }
}
