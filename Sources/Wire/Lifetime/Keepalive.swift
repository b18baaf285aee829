/// Finds out whether a silent client is still there: a PING after a while without a byte of it, and the end when its
/// answer does not come.
///
/// All times in nanoseconds, of one clock.
package struct Keepalive {
  /// What is to be done.
  package enum Step {
    case none
    case ping
    case close
  }

  /// Silence after which the client is asked; `UInt64.max` is never.
  private let time: UInt64
  /// What it may take to answer.
  private let timeout: UInt64
  private var heardAt: UInt64
  private var askedAt: UInt64?

  /// - Parameter now: when the connection began.
  package init(time: UInt64, timeout: UInt64, now: UInt64) {
    self.time = time
    self.timeout = timeout
    heardAt = now
  }

  /// - Parameter hasHeard: whether anything came since the last look, or could not have: nothing was read.
  package mutating func look(now: UInt64, hasHeard: Bool) -> Step {
    if hasHeard {
      heardAt = now
      askedAt = nil
      return .none
    }
    if let askedAt { return now >= askedAt + timeout ? .close : .none }
    guard time != .max, now >= heardAt + time else { return .none }
    askedAt = now
    return .ping
  }
}
