import Glibc
import NIOCore
import Synchronization

// SAFETY: the addresses of locals are lent until the system call returns, which writes no more than the size it is
// told. A sockaddr_storage is as large as every address. The text of an error number is there until the thread's next
// one.

/// An address that this process has taken, and does not listen on yet: clients are refused until it does.
///
/// So a server can find out that its address is in use before it makes anything on the disk.
///
/// Thread-safety: every call from any thread. The socket goes with the last reference, unless it is listened on.
package final class BoundAddress: Sendable {
  /// The port; of port 0 the free one that was taken.
  package let port: Int
  /// Whether only this machine reaches it.
  package let isLoopback: Bool
  private let socket: Mutex<CInt?>

  /// Takes the address. Resolves the name of a host, which may block on the network.
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
    let descriptor = Glibc.socket(
      family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw ListenError(errno: errno) }
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
    isLoopback = address.isLoopback
    self.port = Self.boundPort(descriptor) ?? port
    socket = Mutex(descriptor)
  }

  deinit {
    if let descriptor = socket.withLock({ $0 }) { close(descriptor) }
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
