import NIOCore
import NIOSSL

/// A connection from its accept until its socket is closed, whatever it has come to in between.
///
/// Thread-safety: confined to the event loop of its channel.
final class OpenConnection {
  private let loop: LoopContext
  private let channel: any Channel
  /// Nil in plaintext.
  var tls: NIOSSLServerHandler?
  /// What moves its bytes; nil as long as the handshake of TLS is not over, and once it is closed.
  var handler: ConnectionHandler?
  /// In the loop's ``IdleConnections``.
  private var idlePlace: Int?

  /// - Parameter now: when it was accepted, in nanoseconds of the monotonic clock; it has no calls yet.
  init(loop: LoopContext, channel: any Channel, now: UInt64) {
    self.loop = loop
    self.channel = channel
    idlePlace = loop.idle.append(self, since: now)
  }

  /// Says whether it has calls, and whether it had some since the last time.
  func note(hasCalls: Bool, hadCalls: Bool, now: UInt64) {
    if hasCalls || hadCalls { leaveIdle() }
    if !hasCalls && idlePlace == nil { idlePlace = loop.idle.append(self, since: now) }
  }

  /// Ends it to make room for others, unless it has calls. It is no idle connection afterwards, in either case.
  ///
  /// - Returns: whether it has ended.
  func evict(atOnce: Bool) -> Bool {
    leaveIdle()
    if let handler {
      guard handler.endForOthers() else { return false }
      // It is told why, and has a moment to read that.
      if handler.isHTTP2 && !atOnce { return true }
    }
    closeNow()
    return true
  }

  /// Its socket is closed.
  func didClose() {
    leaveIdle()
    handler = nil
  }

  private func leaveIdle() {
    guard let place = idlePlace else { return }
    idlePlace = nil
    loop.idle.remove(place)
  }

  /// Closes the socket before it returns: TLS would wait for the client to say goodbye.
  private func closeNow() {
    if let tls, let context = try? channel.pipeline.syncOperations.context(handler: tls) {
      context.close(promise: nil)
    } else {
      channel.close(promise: nil)
    }
  }
}
