/// What a client's PINGs cost it: one that comes too early is a strike, and more than two end the connection.
///
/// Each answer forgives all of it. Clients of gRPC measure the network by a PING for each burst of DATA that they get,
/// and must never be struck for that (proposal A8).
package struct PingStrikes {
  /// Nanoseconds between two PINGs. A second less is taken: the network may hold up one and not the next.
  package static let interval: UInt64 = 10_000_000_000
  private static let slack: UInt64 = 1_000_000_000
  private static let most = 2

  /// When the last PING came; 0 when none has since the last answer.
  private var last: UInt64 = 0
  private var strikes = 0

  package init() {}

  /// Takes a PING.
  ///
  /// - Returns: whether the client may go on.
  package mutating func pinged(now: UInt64) -> Bool {
    if last != 0 && now < last + Self.interval - Self.slack { strikes += 1 }
    last = now
    return strikes <= Self.most
  }

  /// A HEADERS or DATA frame was sent.
  package mutating func answered() {
    last = 0
    strikes = 0
  }
}
