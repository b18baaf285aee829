// SAFETY: the bytes are lent until `init` returns, and every index is below their count.

/// What a client speaks, by the first bytes that it sends.
package enum ClientProtocol: Equatable, Sendable {
  /// HTTP/2 with prior knowledge: its connection preface (RFC 9113 §3.4).
  case http2
  /// HTTP/1, or 0.9: a method and a space. The answer to HEAD has no body.
  case http1(isHead: Bool)
  /// The handshake record of TLS.
  case tls
  case unknown

  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  private static let longestMethodBytes = 20

  /// Nil when more bytes are needed to tell; 24 are always enough.
  @safe
  package init?(firstBytes bytes: UnsafeRawBufferPointer) {
    guard
      let difference = unsafe zip(bytes, Self.preface).enumerated().first(where: { $1.0 != $1.1 })
    else {
      guard bytes.count >= Self.preface.count else { return nil }
      self = .http2
      return
    }
    if unsafe bytes.first == 0x16 {
      self = .tls
      return
    }
    // Behind `PRI ` it is HTTP/2 gone wrong, and no method.
    guard difference.offset < 4 else {
      self = .unknown
      return
    }
    let method = unsafe bytes.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    guard unsafe method.count <= Self.longestMethodBytes else {
      self = .unknown
      return
    }
    guard unsafe method.count < bytes.count else { return nil }
    guard unsafe !method.isEmpty, unsafe bytes[method.count] == UInt8(ascii: " ") else {
      self = .unknown
      return
    }
    // What is asked for is a path, `*`, or an address, which nobody writes in capitals; not the words of a sentence.
    guard unsafe method.count + 1 < bytes.count else { return nil }
    guard unsafe !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(bytes[method.count + 1]) else {
      self = .unknown
      return
    }
    self = unsafe .http1(isHead: method.elementsEqual("HEAD".utf8))
  }

  /// What a client of HTTP/1 is told before its connection is closed.
  static func http1Answer(toHead isHead: Bool) -> String {
    let text = "This port speaks gRPC over HTTP/2. Use a gRPC client, such as grpcurl.\n"
    return
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\n"
      + "Connection: close\r\n\r\n" + (isHead ? "" : text)
  }
}
