import COpenSSL
import Glibc

// SAFETY: addresses, options and arrays are lent to a call until that returns, with their size; a path ends with NUL.

/// An ``HTTP2TestClient`` by TLS, with OpenSSL. Its calls block, for at most ten seconds without a byte.
///
/// Unsafe island. Invariants:
/// 1. `context` and `connection` live until `deinit`, and the socket as long.
@safe
package final class TLSSocketClient {
  package struct Options: Sendable {
    /// Nil offers nothing.
    package var alpn: String? = "h2"
    /// PEM files of the client.
    package var certificate: String?
    package var key: String?
    /// Whether nothing newer than TLS 1.1 is offered, with what OpenSSL has for it.
    package var isOld = false
    /// Whether nothing newer than TLS 1.2 is offered.
    package var isTLS12 = false

    package init() {}
  }

  package let http2: HTTP2TestClient
  private let socket: CInt
  private let context: OpaquePointer
  private let connection: OpaquePointer

  /// Connects to a port of this machine; nil when nobody listens there, or the handshake fails. Of TLS 1.3, a client
  /// whose certificate the server does not take finds out when it reads.
  package init?(
    port: Int, _ http2: HTTP2TestClient = HTTP2TestClient(), options: Options = Options()
  ) {
    self.http2 = http2
    guard let plain = LoopbackSocket.connect(port, readTimeout: 10),
      let context = unsafe SSL_CTX_new(TLS_client_method())
    else {
      return nil
    }
    socket = plain
    unsafe self.context = context
    if options.isOld || options.isTLS12 {
      let version = options.isOld ? TLS1_1_VERSION : TLS1_2_VERSION
      unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    }
    // OpenSSL 3 has no signature that is weak enough for TLS 1.1 on its usual level.
    if options.isOld { unsafe SSL_CTX_set_security_level(context, 0) }
    if let alpn = options.alpn {
      let bytes = [UInt8(alpn.utf8.count)] + Array(alpn.utf8)
      unsafe SSL_CTX_set_alpn_protos(context, bytes, UInt32(bytes.count))
    }
    if let certificate = options.certificate, let key = options.key {
      unsafe SSL_CTX_use_certificate_chain_file(context, certificate)
      unsafe SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM)
    }
    unsafe connection = SSL_new(context)
    unsafe SSL_set_fd(connection, socket)
    guard unsafe SSL_connect(connection) == 1 else { return nil }
  }

  deinit {
    unsafe SSL_free(connection)
    unsafe SSL_CTX_free(context)
    close(socket)
  }

  /// `TLSv1.3`.
  package var version: String { unsafe String(cString: SSL_get_version(connection)) }

  /// The signature of the server's certificate, which tells certificates apart.
  package var serverSignature: [UInt8] {
    guard let certificate = unsafe SSL_get1_peer_certificate(connection) else { return [] }
    defer { unsafe X509_free(certificate) }
    var signature: UnsafePointer<ASN1_BIT_STRING>?
    unsafe X509_get0_signature(&signature, nil, certificate)
    guard let signature = unsafe signature else { return [] }
    return unsafe Array(
      UnsafeBufferPointer(
        start: ASN1_STRING_get0_data(signature), count: Int(ASN1_STRING_length(signature))))
  }

  /// Sends and receives until `isDone`; false when the server is silent for ten seconds, or gone.
  package func run(until isDone: (HTTP2TestClient) -> Bool) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      var rest = http2.output()[...]
      while !rest.isEmpty {
        let sent = unsafe rest.withUnsafeBytes {
          unsafe SSL_write(connection, $0.baseAddress, CInt($0.count))
        }
        guard sent > 0 else { return false }
        rest = rest.dropFirst(Int(sent))
      }
      if isDone(http2) { return true }
      let count = unsafe SSL_read(connection, &buffer, CInt(buffer.count))
      guard count > 0 else { return false }
      http2.receive(Array(buffer[..<Int(count)]))
    }
  }

  /// Whether the server has ended the connection by TLS's own word for it.
  package func isClosedCleanly() -> Bool {
    var byte: UInt8 = 0
    let count = unsafe SSL_read(connection, &byte, 1)
    return unsafe count <= 0 && SSL_get_error(connection, count) == SSL_ERROR_ZERO_RETURN
  }
}
