import Glibc

// SAFETY: arrays are lent to a system call until that returns, with their size.

/// An ``HTTP2TestClient`` on a socket of its own. Its calls block.
package final class SocketClient {
  package let http2: HTTP2TestClient
  private let socket: CInt

  /// Connects to a port of this machine; nil when nobody listens there.
  ///
  /// - Parameter host: the last number of an address 127.0.0.
  package init?(
    port: Int, host: UInt8 = 1, _ http2: HTTP2TestClient = HTTP2TestClient()
  ) {
    guard let socket = LoopbackSocket.connect(port, host: host, readTimeout: 60) else { return nil }
    self.http2 = http2
    self.socket = socket
  }

  deinit { close(socket) }

  /// Whether the server ends the connection within a minute, without another byte.
  package func isClosed() -> Bool {
    var byte: UInt8 = 0
    return unsafe recv(socket, &byte, 1, 0) == 0
  }

  /// Sends and receives until `isDone`; false when the server is silent for a minute, or gone.
  package func run(until isDone: (HTTP2TestClient) -> Bool) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      var rest = http2.output()[...]
      while !rest.isEmpty {
        let sent = unsafe rest.withUnsafeBytes {
          unsafe Glibc.send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        }
        guard sent > 0 else { return false }
        rest = rest.dropFirst(sent)
      }
      if isDone(http2) { return true }
      let count = unsafe recv(socket, &buffer, buffer.count, 0)
      guard count > 0 else { return false }
      http2.receive(Array(buffer[..<count]))
    }
  }
}
