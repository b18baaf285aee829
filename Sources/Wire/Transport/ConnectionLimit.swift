import NIOCore
import Synchronization

/// Counts the connections of all loops. A full house lets go of the connection that has been without calls for longest,
/// whoever it belongs to; connections with calls are never let go of.
///
/// Thread-safety: `enter` on the event loop that it is given, `leave` from any thread.
final class ConnectionLimit: Sendable {
  private let count = Atomic<Int>(0)
  private let limit: Int
  /// How many may be on their way out beside a full house: those that were told why and have not closed yet. Their
  /// sockets are files, of which a server has few to spare.
  private let excess: Int

  init(_ limit: Int) {
    self.limit = limit
    excess = 4 + limit / 64
  }

  /// Counts a new connection, and makes room for it; false when there is none: every connection has calls.
  ///
  /// - Parameters:
  ///   - loop: the new connection's, which runs this.
  ///   - loops: all of the server's.
  /// - Complexity: O(1), and O(loops) in a full house.
  func enter(_ loop: LoopContext, of loops: [LoopContext]) -> Bool {
    let number = count.wrappingAdd(1, ordering: .relaxed).newValue
    guard number > limit else { return true }
    if makeRoom(loop, loops, atOnce: number > limit + excess) { return true }
    leave()
    return false
  }

  /// A connection that has entered is closed.
  func leave() { count.wrappingSubtract(1, ordering: .relaxed) }

  private func makeRoom(_ loop: LoopContext, _ loops: [LoopContext], atOnce: Bool) -> Bool {
    // Only the loop's own sockets can be closed before the new one is taken.
    if atOnce { return loop.idle.evict(atOnce: true) }
    for candidate in loops.sorted(by: { $0.idle.oldest < $1.idle.oldest }) {
      guard candidate.idle.oldest != .max else { return false }
      guard candidate === loop else {
        candidate.eventLoop.execute { _ = candidate.idle.evict(atOnce: false) }
        return true
      }
      if candidate.idle.evict(atOnce: false) { return true }
    }
    return false
  }
}
