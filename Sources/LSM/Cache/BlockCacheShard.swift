import Glibc

/// The part of a ``BlockCache`` that inserts into some of its sets change, behind one lock.
///
/// A `pthread_mutex_t`: under contention `Synchronization.Mutex` is handed over inside the kernel,
/// which ThreadSanitizer cannot see.
///
/// Unsafe island: owns the mutex, which must not move. Invariant: `state` is touched only by the
/// thread that holds it.
// SAFETY of `@unchecked Sendable`: by that invariant.
@safe
final class BlockCacheShard: @unchecked Sendable {
  struct State {
    /// Bytes of the blocks in the shard's slots, and of what each costs besides.
    var usedBytes = 0
    /// The next slot the hand looks at, counted from the shard's first.
    var hand = 0
    /// For each set of the shard, where it starts to look for what gives way when it is full.
    var setHands: [UInt8]
  }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  init(setCount: Int) {
    unsafe mutex = .allocate(capacity: 1)
    // SAFETY: fresh memory of the right type; destroyed in deinit only.
    unsafe pthread_mutex_init(mutex, nil)
    state = State(setHands: [UInt8](repeating: 0, count: setCount))
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  func withLock<Result: ~Copyable>(_ body: (inout State) -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body(&state)
  }
}
