import Bytes
import COpenSSL
import Glibc

/// A connection to a server, TCP or TLS over TCP.
///
/// Confined to its thread once it is connected.
///
/// Unsafe island. Invariants:
/// 1. `tls`, when there is one, lives until `deinit`, and uses `descriptor`, which is open until then.
@safe
final class ByteStream {
  let descriptor: Int32
  private let tls: OpaquePointer?

  var usesTLS: Bool { unsafe tls != nil }

  enum Transfer {
    case bytes(Int)
    case wouldBlock
    /// By the other side.
    case closed
  }

  /// Connects, waiting for it; reads and writes afterwards never wait.
  init(to address: SocketAddress, tls client: TLSClient?) throws(LoadFailure) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(O_CLOEXEC), 0)
    guard descriptor >= 0 else { throw LoadFailure("no socket: \(errorText())") }
    do throws(LoadFailure) {
      guard address.connect(descriptor) else {
        throw LoadFailure("cannot connect to \(address): \(errorText())")
      }
      var on: Int32 = 1
      unsafe setsockopt(
        descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
      unsafe tls = try unsafe client?.connect(descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    var isNonBlocking: Int32 = 1
    _ = unsafe ioctl(descriptor, UInt(FIONBIO), &isNonBlocking)
  }

  deinit {
    if let tls = unsafe tls { unsafe SSL_free(tls) }
    close(descriptor)
  }

  @safe
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(LoadFailure) -> Transfer {
    if let tls = unsafe tls {
      let count = unsafe SSL_read(tls, buffer.baseAddress, Int32(clamping: buffer.count))
      return try unsafe outcome(tls, count)
    }
    while true {
      let count = unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .closed }
      if errno == EINTR { continue }
      if errno == EAGAIN { return .wouldBlock }
      throw LoadFailure("cannot read from the server: \(errorText())")
    }
  }

  @safe
  func write(_ bytes: UnsafeRawBufferPointer) throws(LoadFailure) -> Transfer {
    if let tls = unsafe tls {
      let count = unsafe SSL_write(tls, bytes.baseAddress, Int32(clamping: bytes.count))
      return try unsafe outcome(tls, count)
    }
    while true {
      let count = unsafe send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      if errno == EAGAIN { return .wouldBlock }
      throw LoadFailure("cannot write to the server: \(errorText())")
    }
  }

  private func outcome(_ tls: OpaquePointer, _ count: Int32) throws(LoadFailure) -> Transfer {
    if count > 0 { return .bytes(Int(count)) }
    switch unsafe SSL_get_error(tls, count) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .closed
    default: throw LoadFailure("TLS with the server is broken")
    }
  }
}

/// An IPv4 address and a port.
package struct SocketAddress: CustomStringConvertible, Sendable {
  package let host: String
  package let port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  package var description: String { "\(host):\(port)" }

  /// Connects a socket, waiting for it; false with `errno` when it fails.
  func connect(_ descriptor: Int32) -> Bool {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    guard unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
      errno = EINVAL
      return false
    }
    // SAFETY: every socket address begins like `sockaddr`, and its length is passed with it.
    return unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}

/// The text of `errno`.
func errorText() -> String { unsafe String(cString: strerror(errno)) }
