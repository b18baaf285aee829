import Glibc
import NIOCore
import Synchronization

// SAFETY: the addresses of locals are lent until the system call returns, which writes no more than the size it is
// told. A sockaddr_storage is as large as every address. The text of an error number is there until the thread's next
// one.

/// An address that this process has taken, and does not accept on yet.
///
/// So a server can find out that its address is in use before it makes anything on the disk. Clients of a TCP address
/// are refused until it is listened on, those of a Unix socket wait.
///
/// Thread-safety: every call from any thread. The socket goes with the last reference, unless it is listened on; the
/// path of a Unix socket in any case.
package final class BoundAddress: Sendable {
  /// What was taken, with the port of port 0.
  package let address: ListenAddress
  private let socket: Mutex<CInt?>
  private let path: UnixSocketPath?

  /// The port; 0 of a Unix socket.
  package var port: Int { address.port ?? 0 }

  /// Takes the address. Resolves the name of a host, which may block on the network.
  package convenience init(_ address: ListenAddress) throws(ListenError) {
    switch address {
    case .tcp(let host, let port): try self.init(host: host, port: port)
    case .unix(let path): try self.init(unixSocket: path)
    }
  }

  /// Takes an address of TCP. Resolves the name of a host, which may block on the network.
  ///
  /// - Parameter port: 0 takes a free one.
  package init(host: String, port: Int) throws(ListenError) {
    let address: SocketAddress
    do {
      address = try SocketAddress.makeAddressResolvingHost(host, port: port)
    } catch {
      throw ListenError(detail: "no address is known for the host \(host)")
    }
    let family =
      switch address {
      case .v4: AF_INET
      case .v6: AF_INET6
      case .unixDomainSocket: AF_UNIX
      }
    let descriptor = try Self.makeSocket(family)
    // The connections of a server that has just ended do not keep the next one from its address.
    var on: CInt = 1
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout.size(ofValue: on)))
    let isBound = unsafe address.withSockAddr {
      unsafe Glibc.bind(descriptor, $0, socklen_t($1)) == 0
    }
    guard isBound else {
      let failure = ListenError(errno: errno)
      close(descriptor)
      throw failure
    }
    self.address = .tcp(host: host, port: Self.boundPort(descriptor) ?? port)
    socket = Mutex(descriptor)
    path = nil
  }

  /// Makes a Unix socket at `path`, in place of one that nobody listens on any more.
  private init(unixSocket path: String) throws(ListenError) {
    let descriptor = try Self.makeSocket(AF_UNIX)
    do throws(ListenError) {
      self.path = try UnixSocketPath(path, binding: descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    address = .unix(path: path)
    socket = Mutex(descriptor)
  }

  deinit {
    if let descriptor = socket.withLock({ $0 }) { close(descriptor) }
    path?.remove()
  }

  /// Removes the path of a Unix socket, which nobody is to connect to any more. Safe to call twice.
  func removePath() { path?.remove() }

  private static func makeSocket(_ family: CInt) throws(ListenError) -> CInt {
    let descriptor = Glibc.socket(
      family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw ListenError(errno: errno) }
    return descriptor
  }

  /// Listens. To be called once.
  /// - Returns: the socket, which is the caller's from now on.
  func listen(backlog: CInt) throws(ListenError) -> CInt {
    try socket.withLock { (socket) throws(ListenError) in
      guard let descriptor = socket else { throw ListenError(errno: EBADF) }
      guard Glibc.listen(descriptor, backlog) == 0 else { throw ListenError(errno: errno) }
      socket = nil
      return descriptor
    }
  }

  private static func boundPort(_ descriptor: CInt) -> Int? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout.size(ofValue: storage))
    return unsafe withUnsafeMutableBytes(of: &storage) { bytes -> Int? in
      guard let base = bytes.baseAddress,
        unsafe getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
      else { return nil }
      // The port follows the family in the addresses of both IP versions, in network order.
      return unsafe Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }
  }
}

/// Why an address cannot be listened on.
package struct ListenError: Error, Equatable, Sendable {
  /// The operating system's words, such as "Address already in use".
  package let detail: String

  init(detail: String) { self.detail = detail }
  init(errno code: CInt) { detail = unsafe String(cString: strerror(code)) }
}
