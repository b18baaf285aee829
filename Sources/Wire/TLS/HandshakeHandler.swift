import Logging
import NIOCore
import NIOSSL
import NIOTLS
import Platform

/// Comes after the TLS handler of a new connection until the handshake is over, and puts the ``ConnectionHandler`` in
/// its own place then: there is no HTTP/2, and no memory for it, before a client has shown what it is.
///
/// Ends a client that is not through in time, that does not offer HTTP/2 by ALPN, or whose certificate has expired
/// (which a resumed session does not check again).
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let tls: NIOSSLServerHandler
  private let limit: TimeAmount
  private let logger: Logger
  private let makeHandler: (NIOSSLCertificate?) -> ConnectionHandler
  private var timer: Scheduled<Void>?
  private var isOver = false

  /// - Parameter makeHandler: is given the client's certificate.
  init(
    tls: NIOSSLServerHandler, limit: TimeAmount, logger: Logger,
    makeHandler: @escaping (NIOSSLCertificate?) -> ConnectionHandler
  ) {
    self.tls = tls
    self.limit = limit
    self.logger = logger
    self.makeHandler = makeHandler
  }

  func handlerAdded(context: ChannelHandlerContext) {
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: limit) {
      self.end(context, "a client did not get through the handshake of TLS in time")
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { cancelTimer() }

  func channelInactive(context: ChannelHandlerContext) {
    cancelTimer()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted(let negotiated)? = event as? TLSUserEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    guard !isOver else { return }
    guard negotiated == "h2" else {
      return end(context, "a client of TLS does not offer HTTP/2 by ALPN")
    }
    let certificate = tls.peerCertificate
    if let certificate, Timestamp(seconds: Int64(certificate.notValidAfter)) < .coarse() {
      return end(context, "the certificate of a client has expired")
    }
    isOver = true
    cancelTimer()
    let pipeline = context.pipeline.syncOperations
    do {
      try pipeline.addHandler(
        makeHandler(certificate), position: .after(self))
      pipeline.removeHandler(context: context, promise: nil)
    } catch {
      context.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The text of an error is long, and seldom looked at.
    let text = logger.logLevel <= .debug ? "\(error)" : ""
    if Self.plaintextMarks.contains(where: { text.contains($0) }) {
      end(context, "a client does not speak TLS, and this port does; its connection is closed")
    } else {
      end(context, "the handshake of TLS with a client failed", ["error": "\(text)"])
    }
  }

  /// What BoringSSL calls first bytes that are no TLS.
  private static let plaintextMarks = [
    "OPENSSL_internal:HTTP_REQUEST", "OPENSSL_internal:WRONG_VERSION_NUMBER",
  ]

  private func cancelTimer() {
    timer?.cancel()
    timer = nil
  }

  /// Says why, for whoever looks for the reason why a client cannot connect, and closes the connection.
  private func end(
    _ context: ChannelHandlerContext, _ message: Logger.Message,
    _ more: @autoclosure () -> Logger.Metadata = [:]
  ) {
    guard !isOver else { return }
    isOver = true
    if logger.logLevel <= .debug {
      let client = context.channel.remoteAddress.map(\.description) ?? ""
      logger.debug(
        message, metadata: more().merging(["client": "\(client)"]) { first, _ in first })
    }
    context.close(promise: nil)
  }
}
