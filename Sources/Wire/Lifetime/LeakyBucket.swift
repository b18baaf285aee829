/// How often a client may do what costs the server more than the client: a bucket that fills with each, and leaks.
///
/// It needs no clock where it fills: the connection's timer says how much time has gone by.
package struct LeakyBucket {
  /// What it holds; one more is too much.
  private let capacity: Int
  private let leakPerSecond: Int
  private var level = 0

  /// - Parameter leakPerSecond: how much of it is forgotten in a second.
  package init(capacity: Int, leakPerSecond: Int) {
    self.capacity = capacity
    self.leakPerSecond = leakPerSecond
  }

  /// Adds one to it.
  ///
  /// - Returns: whether it holds that.
  package mutating func fill() -> Bool {
    level = min(level + 1, capacity + 1)
    return level <= capacity
  }

  /// Lets time go by, in nanoseconds.
  package mutating func leak(_ nanoseconds: UInt64) {
    guard level > 0 else { return }
    let seconds = Double(min(nanoseconds, 3_600_000_000_000)) / 1e9
    level = max(0, level - Int(seconds * Double(leakPerSecond)))
  }
}
