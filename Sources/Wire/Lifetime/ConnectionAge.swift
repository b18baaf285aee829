/// How long a connection is kept: not for ever without calls, and not for ever at all, where that is wanted.
///
/// All times in nanoseconds, of one clock; `UInt64.max` is no limit.
package struct ConnectionAge {
  /// What is to be done.
  package enum Step: Equatable {
    case none
    /// A GOAWAY is due; calls under way go on.
    case drain(ConnectionDrain.Reason)
    /// Calls under way have had their time.
    case close
  }

  private let idle: UInt64
  private let grace: UInt64
  /// When the connection is too old.
  private let oldAt: UInt64
  private var activeAt: UInt64
  private var hasEnded = false
  private var endedForAge = false

  /// - Parameter jitter: what the age is multiplied by, 0.9 to 1.1, so that connections that began together do not end
  ///   together.
  package init(idle: UInt64, age: UInt64, grace: UInt64, jitter: Double, now: UInt64) {
    self.idle = idle
    self.grace = grace
    oldAt = age == .max ? .max : now + UInt64(Double(age) * jitter)
    activeAt = now
  }

  /// - Parameter hasCalls: whether calls are under way, or were since the last look.
  package mutating func look(now: UInt64, hasCalls: Bool) -> Step {
    if hasCalls { activeAt = now }
    if hasEnded {
      return endedForAge && grace != .max && now >= oldAt + grace ? .close : .none
    }
    if now >= oldAt {
      hasEnded = true
      endedForAge = true
      return .drain(.age)
    }
    guard idle != .max, now >= activeAt + idle else { return .none }
    hasEnded = true
    return .drain(.idle)
  }
}
