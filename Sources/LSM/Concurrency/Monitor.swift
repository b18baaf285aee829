/// State behind one ``PosixMutex``, with a condition that waiters are told of. No I/O under it.
///
/// Unsafe island: owns the state, which does not move. Invariants:
/// 1. `state` is touched only by the thread that holds the mutex.
/// 2. No access to it reaches over a wait.
// SAFETY of `@unchecked Sendable`: by invariant 1.
@safe
final class Monitor<State>: @unchecked Sendable {
  private let mutex: PosixMutex
  private let condition = PosixMutex.Condition()
  private let state: UnsafeMutablePointer<State>

  /// - Parameter isRecursionSafe: whether ``wakeSurely()`` may be called. Costs a little with every lock.
  init(_ initial: State, isRecursionSafe: Bool = false) {
    mutex = PosixMutex(detectsRecursion: isRecursionSafe)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: initial)
  }

  deinit {
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
  }

  func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    mutex.lock()
    defer { mutex.unlock() }
    return try unsafe body(&state.pointee)
  }

  /// Waits until `isReady`, which is asked again after each ``wakeAll()``, then runs `body` under the same
  /// lock.
  func wait<Result, Failure: Error>(
    until isReady: (inout State) -> Bool, then body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    mutex.lock()
    defer { mutex.unlock() }
    // SAFETY: invariant 2: each access ends before the wait.
    while unsafe !isReady(&state.pointee) { condition.wait(mutex) }
    return try unsafe body(&state.pointee)
  }

  /// Waits until `take` has taken something, which it may try again after each ``wakeAll()`` and at the time that
  /// `deadline` says.
  ///
  /// - Parameter deadline: nanoseconds of ``MonotonicTime``; nil: none.
  func wait<Taken>(
    for take: (inout State) -> Taken?, orAt deadline: (State) -> UInt64?
  ) -> Taken {
    mutex.lock()
    defer { mutex.unlock() }
    while true {
      // SAFETY: invariant 2: each access ends before the wait.
      if let taken = unsafe take(&state.pointee) { return taken }
      if let nanoseconds = unsafe deadline(state.pointee) {
        condition.wait(mutex, until: nanoseconds)
      } else {
        condition.wait(mutex)
      }
    }
  }

  /// Has every waiter look again.
  func wakeAll() { condition.wakeAll() }

  /// Has every waiter look again at what is not `State` itself, also one that is just looking: ``wakeAll()`` would
  /// be lost between its look and its wait. May be called by a thread that holds the lock.
  ///
  /// - Precondition: made with `isRecursionSafe`.
  func wakeSurely() {
    // When this thread has the lock, nobody else looks.
    let isLocked = mutex.lock()
    condition.wakeAll()
    if isLocked { mutex.unlock() }
  }
}
