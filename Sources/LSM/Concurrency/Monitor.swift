import Glibc

/// State behind one mutex, with a condition that waiters are told of.
///
/// A `pthread_mutex_t` and not `Synchronization.Mutex`: that one has no condition, and hands over inside
/// the kernel, which ThreadSanitizer cannot see. No I/O under it.
///
/// Unsafe island: owns mutex, condition and state, none of which moves. Invariants:
/// 1. `state` is touched only by the thread that holds the mutex.
/// 2. No access to it reaches over a wait.
// SAFETY of `@unchecked Sendable`: by invariant 1.
@safe
final class Monitor<State>: @unchecked Sendable {
  fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>
  fileprivate let condition: UnsafeMutablePointer<pthread_cond_t>
  private let state: UnsafeMutablePointer<State>

  /// - Parameter isRecursionSafe: whether ``wakeSurely()`` may be called. Costs a little with every lock.
  init(_ initial: State, isRecursionSafe: Bool = false) {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe state = .allocate(capacity: 1)
    // SAFETY: fresh memory of the right types; destroyed in deinit only.
    var kind = pthread_mutexattr_t()
    unsafe pthread_mutexattr_init(&kind)
    if isRecursionSafe { unsafe pthread_mutexattr_settype(&kind, Int32(PTHREAD_MUTEX_ERRORCHECK)) }
    unsafe pthread_mutex_init(mutex, &kind)
    unsafe pthread_mutexattr_destroy(&kind)
    // The clock of ``MonotonicTime``, so that a change of the date moves no deadline.
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
    unsafe state.initialize(to: initial)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe state.deinitialize(count: 1)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
    unsafe state.deallocate()
  }

  func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try unsafe body(&state.pointee)
  }

  /// Waits until `isReady`, which is asked again after each ``wakeAll()``, then runs `body` under the same
  /// lock.
  func wait<Result, Failure: Error>(
    until isReady: (inout State) -> Bool, then body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    // SAFETY: invariant 2: each access ends before the wait.
    while unsafe !isReady(&state.pointee) { unsafe pthread_cond_wait(condition, mutex) }
    return try unsafe body(&state.pointee)
  }

  /// Waits until `take` has taken something, which it may try again after each ``wakeAll()`` and at the time that
  /// `deadline` says.
  ///
  /// - Parameter deadline: nanoseconds of ``MonotonicTime``; nil: none.
  func wait<Taken>(
    for take: (inout State) -> Taken?, orAt deadline: (State) -> UInt64?
  ) -> Taken {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      // SAFETY: invariant 2: each access ends before the wait.
      if let taken = unsafe take(&state.pointee) { return taken }
      guard let nanoseconds = unsafe deadline(state.pointee) else {
        unsafe pthread_cond_wait(condition, mutex)
        continue
      }
      var time = timespec(
        tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
      unsafe pthread_cond_timedwait(condition, mutex, &time)
    }
  }

  /// Has every waiter look again.
  func wakeAll() { unsafe pthread_cond_broadcast(condition) }
}

extension Monitor {
  /// Has every waiter look again at what is not `State` itself, also one that is just looking: ``wakeAll()`` would
  /// be lost between its look and its wait. May be called by a thread that holds the lock.
  ///
  /// - Precondition: made with `isRecursionSafe`.
  func wakeSurely() {
    // EDEADLK: this thread has the lock, so nobody else looks.
    let isLocked = unsafe pthread_mutex_lock(mutex) == 0
    unsafe pthread_cond_broadcast(condition)
    if isLocked { unsafe pthread_mutex_unlock(mutex) }
  }
}

/// The system's monotonic clock.
enum MonotonicTime {
  static var nanoseconds: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// A mutex for a whole course of actions, I/O among them, as against ``Monitor``, which guards data.
// SAFETY of `@unchecked Sendable`: the mutex does not move and is its own synchronisation.
@safe
final class Turnstile: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Runs `body` while no other thread runs one.
  @inline(__always)
  func pass<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body()
  }
}
