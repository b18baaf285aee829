import Dispatch
import NIOCore
import Synchronization

/// Has the connections of all event loops looked after, twice a second as long as there are any.
///
/// The loops have no timer for it: one that is scheduled costs each turn of its loop 500 instructions, due or not.
///
/// Thread-safety: every call from any thread.
final class LoopClock: Sendable {
  /// How often each connection is looked after: what is promised in seconds is kept within one of these.
  private static let step = DispatchTimeInterval.milliseconds(500)

  private let loops: [LoopContext]
  private let queue = DispatchQueue(label: "seandb.loop-clock")
  /// Whether ``ring()`` is to come.
  private let isRunning = Atomic<Bool>(false)

  init(_ loops: [LoopContext]) { self.loops = loops }

  /// Starts the clock unless it runs. To be called after each connection that a loop has counted.
  func start() {
    let (isFirst, _) = isRunning.compareExchange(
      expected: false, desired: true, ordering: .sequentiallyConsistent)
    guard isFirst else { return }
    queue.asyncAfter(deadline: .now() + Self.step) { self.ring() }
  }

  private func ring() {
    // Before the loops are asked: a connection that is counted later starts the clock itself.
    isRunning.store(false, ordering: .sequentiallyConsistent)
    var hasConnections = false
    for loop in loops where loop.hasConnections {
      hasConnections = true
      loop.eventLoop.execute { loop.lookAfterConnections() }
    }
    if hasConnections { start() }
  }
}
