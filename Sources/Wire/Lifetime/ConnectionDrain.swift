/// How a connection is ended without losing a call (RFC 9113 §6.8): a GOAWAY that still takes all streams, with a PING;
/// and when its answer shows that the client has read that, or after some seconds, a second one with the last stream.
/// What the client opened in between is served.
package struct ConnectionDrain {
  /// Why a connection is drained.
  package enum Reason: Equatable, Sendable {
    /// The server ends.
    case shutdown
    /// `--max-connection-idle`.
    case idle
    /// `--max-connection-age`.
    case age

    /// What the last GOAWAY carries for whoever looks at it.
    var text: StaticString {
      switch self {
      case .shutdown: "shutting_down"
      case .idle: "max_idle"
      case .age: "max_age"
      }
    }
  }

  /// How long a client may take to answer the PING of the first GOAWAY, in nanoseconds.
  package static let answerTime: UInt64 = 5_000_000_000

  /// Nil: no drain has begun. Else why; a shutdown is the stronger reason.
  package private(set) var reason: Reason?
  private var beganAt: UInt64 = 0
  /// Whether the last stream was named: nothing new is taken any more.
  package private(set) var isFinal = false

  package init() {}

  /// - Returns: whether the first GOAWAY is due.
  package mutating func begin(_ reason: Reason, now: UInt64) -> Bool {
    guard self.reason == nil else {
      if reason == .shutdown { self.reason = reason }
      return false
    }
    self.reason = reason
    beganAt = now
    return true
  }

  /// The PING of the first GOAWAY was answered.
  ///
  /// - Returns: whether the second GOAWAY is due.
  package mutating func acknowledged() -> Bool {
    guard reason != nil, !isFinal else { return false }
    isFinal = true
    return true
  }

  /// - Returns: whether the second GOAWAY is due.
  package mutating func look(now: UInt64) -> Bool {
    guard reason != nil, !isFinal, now >= beganAt + Self.answerTime else { return false }
    isFinal = true
    return true
  }
}
