import Glibc
import Synchronization

/// Counts the calls inside an engine, so that a close waits for them and keeps new ones out.
///
/// One atomic add on entry and one on exit; no lock on the way.
///
/// Thread-safety: every call from any thread.
///
/// Unsafe island: owns one `sem_t`, which must not move. Invariants:
/// 1. `state` is twice the number of calls inside, plus 1 once the gate is shut.
/// 2. The semaphore is posted whenever a call leaves the shut gate empty.
@safe
package final class OperationGate: @unchecked Sendable {
  private let state = Atomic<UInt64>(0)
  private let drained: UnsafeMutablePointer<sem_t>

  package init() {
    unsafe drained = .allocate(capacity: 1)
    // SAFETY: fresh memory of the right type; freed in deinit only.
    unsafe sem_init(drained, 0, 0)
  }

  deinit {
    unsafe sem_destroy(drained)
    unsafe drained.deallocate()
  }

  /// Lets a call in; false when the gate is shut, and then ``leave()`` must not follow.
  package func enter() -> Bool {
    let before = state.add(2, ordering: .acquiring).oldValue
    if before & 1 == 0 { return true }
    leave()
    return false
  }

  /// Lets a call out that ``enter()`` let in.
  package func leave() {
    // A call that came too late leaves as well, so the shut gate may be empty several times; the waiter
    // looks again after each post.
    if state.subtract(2, ordering: .releasing).newValue == 1 { unsafe sem_post(drained) }
  }

  /// Whether new calls are refused. May be true a moment later.
  package var isShut: Bool { state.load(ordering: .acquiring) & 1 == 1 }

  /// Shuts the gate; false when it was shut before. New calls are refused from here on.
  package func shut() -> Bool {
    state.bitwiseOr(1, ordering: .acquiringAndReleasing).oldValue & 1 == 0
  }

  /// Waits until no call is inside.
  /// - Precondition: the gate is shut, and only the caller that shut it waits.
  package func waitUntilEmpty() {
    while state.load(ordering: .acquiring) != 1 { unsafe sem_wait(drained) }
  }
}
