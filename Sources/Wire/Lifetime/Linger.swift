/// The end of a connection, such that nothing that was sent is lost.
///
/// A socket that is closed while bytes of the client come is reset, and what the client has not read yet goes with
/// that. So the client is asked by a PING whether it has read all; then the sending side is shut; then the client has a
/// second to close its own. In all of it input is read.
///
/// All times in nanoseconds, of one clock.
package struct Linger {
  /// What is to be done.
  package enum Step {
    case none
    /// Sends a PING, if there is somebody to answer it.
    case ask
    /// Shuts the sending side when the socket has taken all bytes.
    case shut
    case close
  }

  private enum State {
    case open
    case asking
    /// Bytes are on their way to the socket.
    case shutting
    case lingering
    case closed
  }

  /// A client that reads and does something else meanwhile has this long until it answers the PING.
  package static let askTime: UInt64 = 10_000_000_000
  /// For the socket to take what it was given; less when the connection is closed for a reason.
  package static let shutTime: UInt64 = 30_000_000_000
  /// The same, of an abrupt end.
  package static let shortShutTime: UInt64 = 5_000_000_000
  /// For the client to close its side.
  package static let lingerTime: UInt64 = 1_000_000_000

  private var state = State.open
  /// When the state has lasted too long.
  private var until = UInt64.max

  package init() {}

  /// Whether input is dropped and nothing more is produced.
  package var isShut: Bool {
    switch state {
    case .open, .asking: false
    case .shutting, .lingering, .closed: true
    }
  }

  /// Whether the connection is on its way out.
  package var hasBegun: Bool {
    if case .open = state { false } else { true }
  }

  /// The connection is over.
  ///
  /// - Parameters:
  ///   - mayBeUnread: whether something was sent that the client may not have read yet, and can answer for.
  ///   - isAbrupt: whether the client is closed for what it did.
  package mutating func end(now: UInt64, mayBeUnread: Bool, isAbrupt: Bool) -> Step {
    switch state {
    case .open where mayBeUnread:
      state = .asking
      until = now + Self.askTime
      return .ask
    case .open:
      return shut(now, isAbrupt)
    case .asking where !mayBeUnread:
      return shut(now, isAbrupt)
    case .asking, .shutting, .lingering, .closed:
      return .none
    }
  }

  /// The socket has taken all bytes, and the sending side is shut.
  package mutating func didShut(now: UInt64) {
    guard case .shutting = state else { return }
    state = .lingering
    until = now + Self.lingerTime
  }

  /// Lets time go by.
  package mutating func look(now: UInt64) -> Step {
    guard now >= until else { return .none }
    switch state {
    case .open, .closed: return .none
    case .asking: return shut(now, false)
    case .shutting, .lingering:
      state = .closed
      until = .max
      return .close
    }
  }

  private mutating func shut(_ now: UInt64, _ isAbrupt: Bool) -> Step {
    state = .shutting
    until = now + (isAbrupt ? Self.shortShutTime : Self.shutTime)
    return .shut
  }
}
