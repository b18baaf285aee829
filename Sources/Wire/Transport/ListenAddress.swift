import Glibc

/// Where a server takes connections.
package enum ListenAddress: Sendable, Hashable {
  /// The name or the address of an interface; port 0 takes a free one.
  case tcp(host: String, port: Int)
  /// The path of a Unix socket. It is made with mode 0600, and removed at the end.
  case unix(path: String)

  /// The longest path of a Unix socket, in bytes: what Linux has room for, less the NUL at its end.
  package static let maximumPathBytes = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// Nil for a Unix socket.
  package var port: Int? {
    if case .tcp(_, let port) = self { port } else { nil }
  }

  /// Whether only this machine reaches it, by its text: a name other than `localhost` may be any machine's. O(1).
  package var isLocal: Bool {
    switch self {
    case .unix: true
    case .tcp(let host, _): Self.isLoopback(host)
    }
  }

  /// Whether `host` is `localhost`, or an address of the loopback interface; of IPv4's inside IPv6 too.
  package static func isLoopback(_ host: String) -> Bool {
    let host = host.lowercased()
    if host == "localhost" || host == "::1" { return true }
    let prefix = "::ffff:"
    let address = host.hasPrefix(prefix) ? String(host.dropFirst(prefix.count)) : host
    let parts = address.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}

extension ListenAddress: CustomStringConvertible {
  /// `HOST:PORT`, with an IPv6 host in brackets, or `unix:PATH`.
  package var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}
