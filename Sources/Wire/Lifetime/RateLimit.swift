/// Whether the bytes of a call move fast enough: what moves more slowly than ``bytesPerSecond`` over ``window`` holds
/// memory of the server for nothing.
///
/// A rate and not progress: a client that takes a byte a second makes progress. What was too slow stays so until it has
/// moved a window's bytes.
package struct RateLimit {
  /// In nanoseconds.
  package static let window: UInt64 = 30_000_000_000
  /// At least.
  package static let bytesPerSecond = 1024
  private static let bytesPerWindow = Int(window / 1_000_000_000) * bytesPerSecond

  /// Which call and which of its directions is watched.
  private var subject = 0
  private var since: UInt64 = 0
  private var mark = 0

  /// Watches nothing yet.
  package init() {}

  /// - Parameters:
  ///   - progress: bytes that have moved so far; they only grow for one subject.
  ///   - subject: a number of the call and direction, never 0.
  package mutating func isTooSlow(progress: Int, of subject: Int, now: UInt64) -> Bool {
    guard subject == self.subject else {
      self.subject = subject
      start(progress, now)
      return false
    }
    if progress - mark >= Self.bytesPerWindow {
      start(progress, now)
      return false
    }
    return now >= since + Self.window
  }

  /// Forgets what was seen: the call waits for something else.
  package mutating func stop() { subject = 0 }

  private mutating func start(_ progress: Int, _ now: UInt64) {
    mark = progress
    since = now
  }
}
