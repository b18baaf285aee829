/// How long a client may take for the first steps: its preface, its answer to our SETTINGS, and each header block.
///
/// All times in nanoseconds, of one clock.
package struct OpeningLimit {
  /// What is to be done.
  package enum Step {
    case none
    /// Our SETTINGS were not acknowledged.
    case endForSettings
    /// A header block was begun and not ended.
    case endForHeaders
  }

  /// For each step.
  package static let time: UInt64 = 10_000_000_000

  private let beganAt: UInt64
  /// Since when our SETTINGS should have been acknowledged.
  private var owedSince: UInt64
  /// The header block under way: which one, and since when it is seen.
  private var block: Int?
  private var blockSince: UInt64 = 0

  /// - Parameter now: when the connection began.
  package init(now: UInt64) {
    beganAt = now
    owedSince = now
  }

  /// Whether a client that has not said what it speaks has had its time.
  package func isLateForPreface(now: UInt64) -> Bool { now >= beganAt + Self.time }

  /// - Parameters:
  ///   - mayBeUnacknowledged: whether the client has answered our SETTINGS, or has sent something else since the last
  ///     look: its answer may come after that.
  ///   - headerBlock: names the header block that is under way now, if one is.
  package mutating func look(now: UInt64, mayBeUnacknowledged: Bool, headerBlock: Int?) -> Step {
    if mayBeUnacknowledged { owedSince = now }
    if now >= owedSince + Self.time { return .endForSettings }
    guard let headerBlock else {
      block = nil
      return .none
    }
    if block != headerBlock {
      block = headerBlock
      blockSince = now
    }
    return now >= blockSince + Self.time ? .endForHeaders : .none
  }
}
