import Synchronization

/// Tells the thread that works on a call that nobody waits for the answer any more.
///
/// Thread-safety: every call from any thread.
package final class CallCancellation: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  /// Whether the call was reset, its connection closed, or its deadline passed.
  package var isCancelled: Bool { flag.load(ordering: .relaxed) }

  package func cancel() { flag.store(true, ordering: .relaxed) }
}
