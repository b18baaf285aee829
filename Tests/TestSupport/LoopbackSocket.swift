import Glibc

// SAFETY: addresses and options are lent to a system call until that returns, with their size.

/// Sockets of TCP to this machine.
enum LoopbackSocket {
  /// Connects to a port; nil when nobody listens there.
  ///
  /// - Parameters:
  ///   - seconds: how long a read waits for a byte.
  ///   - host: the last number of an address 127.0.0.
  static func connect(_ port: Int, host: UInt8 = 1, readTimeout seconds: Int) -> CInt? {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var timeout = timeval(tv_sec: seconds, tv_usec: 0)
    unsafe setsockopt(
      socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout.size(ofValue: timeout)))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = (0x7f00_0000 | UInt32(host)).bigEndian
    let isConnected = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if isConnected { return socket }
    close(socket)
    return nil
  }
}
