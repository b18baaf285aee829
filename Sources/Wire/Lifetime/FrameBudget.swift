/// What a client may have the server do for nothing: frames that carry no part of a call, and answers cut to crumbs by
/// tiny windows.
///
/// Honest clients open windows while they take answers, so each DATA frame that they are sent earns them some frames of
/// their own, as each call does. Beside that a client has ``capacity``, and gets ``perSecond`` of it back.
///
/// Costs are in frames: what the dearest of them cost the server is about a microsecond.
package struct FrameBudget {
  /// One frame.
  package static let frame = 1
  /// A header block that begins no stream, beside one for each ``blockBytes`` of it.
  package static let block = 4
  /// Bytes of such a block, as they come, that cost one.
  package static let blockBytes = 16
  /// SETTINGS, which are answered and may touch all streams, beside one for each setting in them.
  package static let settings = 16
  /// Bytes of a setting (RFC 9113 §6.5.1).
  package static let settingBytes = 6
  /// One for so many bytes of headers that are too large, or that nobody wants: a byte can stand for 4 KiB of them.
  package static let headerBytes = 1024

  /// What a client has at first, and at most gets back by time.
  package static let capacity = 10_000
  /// What it gets back of that in a second.
  package static let perSecond = 1000
  /// What a DATA frame that it is sent earns: two windows to open, twice over.
  package static let perDataFrame = 4
  /// What a call earns: it may be reset, and given a priority.
  package static let perCall = 2
  /// The most that can be earned and not used.
  package static let mostSaved = 200_000

  private var left = capacity

  package init() {}

  /// The client was sent DATA frames, and began calls.
  package mutating func earn(dataFrames: Int, calls: Int) {
    left = min(left + Self.perDataFrame * dataFrames + Self.perCall * calls, Self.mostSaved)
  }

  /// - Returns: whether the client had that.
  package mutating func spend(_ cost: Int) -> Bool {
    left -= cost
    return left >= 0
  }

  /// Lets time go by, in nanoseconds.
  package mutating func recover(_ nanoseconds: UInt64) {
    guard left < Self.capacity else { return }
    let seconds = Double(min(nanoseconds, 3_600_000_000_000)) / 1e9
    left = min(left + Int(seconds * Double(Self.perSecond)), Self.capacity)
  }
}
