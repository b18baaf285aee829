import Glibc

/// A `pthread_mutex_t` at an address that does not change: the one lock of this module.
///
/// Not `Synchronization.Mutex`: that one has no condition, and under contention it is handed over inside the kernel,
/// which ThreadSanitizer cannot see.
///
/// Unsafe island. Invariant: `address` is an initialised mutex from init to deinit, when nobody holds it or waits.
// SAFETY of `@unchecked Sendable`: the mutex is its own synchronisation.
@safe
struct PosixMutex: ~Copyable, @unchecked Sendable {
  private let address: UnsafeMutablePointer<pthread_mutex_t>

  /// - Parameter detectsRecursion: whether ``lock()`` tells a thread that has the lock, instead of waiting for itself.
  ///   Costs a little with every lock.
  init(detectsRecursion: Bool = false) {
    unsafe address = .allocate(capacity: 1)
    var kind = pthread_mutexattr_t()
    unsafe pthread_mutexattr_init(&kind)
    if detectsRecursion { unsafe pthread_mutexattr_settype(&kind, Int32(PTHREAD_MUTEX_ERRORCHECK)) }
    unsafe pthread_mutex_init(address, &kind)
    unsafe pthread_mutexattr_destroy(&kind)
  }

  deinit {
    unsafe pthread_mutex_destroy(address)
    unsafe address.deallocate()
  }

  /// Waits for the lock and takes it; false when this thread has it, which only one with `detectsRecursion` tells.
  @inline(__always)
  @discardableResult
  func lock() -> Bool { unsafe pthread_mutex_lock(address) == 0 }

  /// - Precondition: this thread has the lock.
  @inline(__always)
  func unlock() { unsafe pthread_mutex_unlock(address) }

  /// A condition for waits that let go of the lock.
  ///
  /// Unsafe island. Invariant: `address` is an initialised condition from init to deinit, when nobody waits.
  // SAFETY of `@unchecked Sendable`: the condition is its own synchronisation.
  @safe
  struct Condition: ~Copyable, @unchecked Sendable {
    private let address: UnsafeMutablePointer<pthread_cond_t>

    init() {
      unsafe address = .allocate(capacity: 1)
      // The clock of ``MonotonicTime``, so that a change of the date moves no deadline.
      var attributes = pthread_condattr_t()
      unsafe pthread_condattr_init(&attributes)
      unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      unsafe pthread_cond_init(address, &attributes)
      unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
      unsafe pthread_cond_destroy(address)
      unsafe address.deallocate()
    }

    /// Lets go of the lock, waits for ``wakeAll()``, and takes the lock again. May also return for no reason.
    /// - Precondition: this thread has the lock.
    func wait(_ mutex: borrowing PosixMutex) { unsafe pthread_cond_wait(address, mutex.address) }

    /// As ``wait(_:)``, but no longer than to a time of ``MonotonicTime``, in nanoseconds.
    func wait(_ mutex: borrowing PosixMutex, until deadline: UInt64) {
      var time = timespec(
        tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
      unsafe pthread_cond_timedwait(address, mutex.address, &time)
    }

    /// Wakes all that wait.
    func wakeAll() { unsafe pthread_cond_broadcast(address) }
  }
}
