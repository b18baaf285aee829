import Dispatch
import Synchronization

/// Looks at something again and again, on a queue of its own, until it is stopped.
///
/// Thread-safety: every call from any thread; `start` and `stop` once.
package final class RepeatingTask: Sendable {
  private let queue: DispatchQueue
  private let milliseconds: Int
  private let isStopped = Atomic(false)

  /// - Parameter milliseconds: from the end of one look to the beginning of the next, at least 1.
  package init(label: String, everyMilliseconds milliseconds: Int) {
    queue = DispatchQueue(label: label)
    self.milliseconds = max(1, milliseconds)
  }

  /// - Parameter look: may block. It must not keep its owner alive, which keeps the task.
  package func start(_ look: @escaping @Sendable () -> Void) { schedule(look) }

  private func schedule(_ look: @escaping @Sendable () -> Void) {
    queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in
      guard let self, !isStopped.load(ordering: .relaxed) else { return }
      look()
      schedule(look)
    }
  }

  /// Has something done beside the looks, and not while one is under way. Does not wait for it.
  package func perform(_ body: @escaping @Sendable () -> Void) {
    queue.async { [weak self] in
      if let self, !isStopped.load(ordering: .relaxed) { body() }
    }
  }

  /// Waits for a look that is under way; none begins after it.
  package func stop() {
    isStopped.store(true, ordering: .relaxed)
    queue.sync {}
  }
}
