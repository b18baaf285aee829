import NIOCore

/// Who is at the other end of a connection, as far as the server knows.
package struct PeerIdentity: Sendable {
  let remoteAddress: SocketAddress?

  /// `127.0.0.1:50000` or `[::1]:50000`; nil without a socket. O(1), but makes a String.
  package var address: String? {
    guard let ip = remoteAddress?.ipAddress, let port = remoteAddress?.port else { return nil }
    return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
  }
}
