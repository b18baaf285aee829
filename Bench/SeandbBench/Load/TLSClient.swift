import COpenSSL

/// What TLS connections of one load share: HTTP/2 by ALPN, and no look at the certificate, which the benchmark
/// has made itself.
///
/// Thread-safety: immutable; OpenSSL counts references to the context atomically.
///
/// Unsafe island. Invariants:
/// 1. `context` lives from `init` to `deinit`.
@safe
package final class TLSClient: @unchecked Sendable {
  private static let alpn: [UInt8] = [2] + Array("h2".utf8)

  private let context: OpaquePointer

  package init() throws(LoadFailure) {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
      throw LoadFailure("OpenSSL gives no context")
    }
    unsafe self.context = context
    // SSL_CTX_set_mode, which is a macro: a write may take a part, and the rest from another address.
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(mode), nil)
    // 0 is success here, unlike elsewhere in OpenSSL.
    guard unsafe SSL_CTX_set_alpn_protos(context, Self.alpn, UInt32(Self.alpn.count)) == 0 else {
      throw LoadFailure("OpenSSL does not take h2 for ALPN")
    }
  }

  deinit { unsafe SSL_CTX_free(context) }

  /// Shakes hands on a connected, blocking socket.
  /// - Returns: to be freed by `SSL_free`.
  func connect(_ descriptor: Int32) throws(LoadFailure) -> OpaquePointer {
    guard let connection = unsafe SSL_new(context) else {
      throw LoadFailure("OpenSSL gives no connection")
    }
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    guard unsafe SSL_set_fd(connection, descriptor) == 1, unsafe SSL_connect(connection) == 1 else {
      unsafe SSL_free(connection)
      throw LoadFailure("no TLS with the server")
    }
    unsafe SSL_get0_alpn_selected(connection, &name, &length)
    guard length == 2 else {
      unsafe SSL_free(connection)
      throw LoadFailure("the server does not speak HTTP/2 over TLS")
    }
    return unsafe connection
  }
}
