import Glibc
import Synchronization

/// One object that any number of threads read without a lock or a shared reference count, while one
/// thread at a time puts another in its place.
///
/// A reader counts itself into the current epoch, uses the object, and counts itself out; counts are
/// striped by thread, so readers on different cores do not write the same cache line. A replaced object is
/// released once every reader that may have seen it has left. (Quiescent counting with two epochs, as
/// in P. McKenney's SRCU, Linux Documentation/RCU.)
///
/// Thread-safety: ``withValue(_:)`` and ``strongValue()`` from any thread; ``replace(_:)`` one caller at a
/// time; ``reclaim()`` and ``synchronize()`` from any thread.
///
/// Unsafe island. Invariants:
/// 1. `current` is null or an object that this cell holds a retain of.
/// 2. A replaced object is released only after the counts of both the epoch it was replaced in and all
///    before it were seen at zero: a reader that loads `current` has first counted itself in and then seen
///    its epoch still current.
// SAFETY of `@unchecked Sendable`: by the invariants; the rest is atomic or behind `retired`.
@safe
package final class EpochCell<Value: AnyObject & Sendable>: @unchecked Sendable {
  private static var stripes: Int { 16 }
  private static var stripeBytes: Int { 64 }

  private let current = unsafe Atomic<UnsafeRawPointer?>(nil)
  private let epoch = Atomic<Int>(0)
  /// `counts[2 * stripe + epoch & 1]`, a cache line each.
  private let counts: UnsafeMutableRawPointer
  private let retired = Monitor(Retired())

  private struct Retired {
    /// Replaced since the epoch last changed.
    var waiting: [Value] = []
    /// Replaced before; to be released when the other epoch is empty.
    var draining: [Value] = []
  }

  /// A cell with a first object.
  package init(_ value: Value) {
    let bytes = 2 * Self.stripes * Self.stripeBytes
    unsafe counts = .allocate(byteCount: bytes, alignment: Self.stripeBytes)
    unsafe counts.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    unsafe current.store(Self.retained(value), ordering: .releasing)
  }

  deinit {
    // SAFETY: no reader is left, since each holds a reference to the cell.
    if let pointer = unsafe current.load(ordering: .acquiring) {
      unsafe Unmanaged<Value>.fromOpaque(pointer).release()
    }
    unsafe counts.deallocate()
  }

  private static func retained(_ value: Value) -> UnsafeRawPointer {
    unsafe UnsafeRawPointer(Unmanaged.passRetained(value).toOpaque())
  }

  // SAFETY: initialised memory of its own cache line; `Atomic<Int>` has the layout of an Int.
  @inline(__always)
  private func count(_ stripe: Int, _ epoch: Int) -> UnsafeMutablePointer<Atomic<Int>> {
    unsafe (counts + (2 &* stripe &+ epoch & 1) &* Self.stripeBytes)
      .assumingMemoryBound(to: Atomic<Int>.self)
  }

  // MARK: - Reading

  /// Gives the object to `body`, for as long as that runs; nil once it was taken out. `body` must not
  /// keep it, and should not take long: nothing replaced meanwhile is released.
  @inline(__always)
  package func withValue<Result, Failure: Error>(
    _ body: (Value?) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let place = unsafe enter()
    defer { unsafe place.pointee.subtract(1, ordering: .releasing) }
    // SAFETY: invariants 1 and 2.
    guard let pointer = unsafe current.load(ordering: .acquiring) else { return try body(nil) }
    return try unsafe Unmanaged<Value>.fromOpaque(pointer).borrow { (value) throws(Failure) in
      try body(value)
    }
  }

  /// The object, to be kept as long as the caller likes; nil once it was taken out.
  package func strongValue() -> Value? { withValue { (value) in value } }

  @inline(__always)
  private func enter() -> UnsafeMutablePointer<Atomic<Int>> {
    // A thread's own address: cheap, and different on each thread that runs.
    let stripe =
      Int(truncatingIfNeeded: UInt(pthread_self()) >> 12 ^ UInt(pthread_self()) >> 20)
      & (Self.stripes &- 1)
    while true {
      let seen = epoch.load(ordering: .relaxed)
      let place = unsafe count(stripe, seen)
      unsafe place.pointee.add(1, ordering: .sequentiallyConsistent)
      if epoch.load(ordering: .sequentiallyConsistent) == seen { return unsafe place }
      unsafe place.pointee.subtract(1, ordering: .releasing)
    }
  }

  // MARK: - Replacing

  /// Puts another object in place, or none. The old one is released later.
  package func replace(_ value: Value?) {
    let old = unsafe current.exchange(
      value.map { unsafe Self.retained($0) }, ordering: .sequentiallyConsistent)
    guard let old = unsafe old else { return }
    // SAFETY: invariant 1: the cell's retain goes over to the list.
    let object = unsafe Unmanaged<Value>.fromOpaque(old).takeRetainedValue()
    retired.withLock { $0.waiting.append(object) }
  }

  /// Releases what no reader can see any more. Does not wait.
  /// - Returns: whether nothing is left.
  @discardableResult
  package func reclaim() -> Bool {
    var free: [Value] = []
    let isEmpty = retired.withLock { retired in
      for _ in 0..<2 {
        let now = epoch.load(ordering: .relaxed)
        if !retired.draining.isEmpty {
          guard isQuiet(now &+ 1) else { return false }
          free += retired.draining
          retired.draining = []
        }
        if retired.waiting.isEmpty { return true }
        // The other epoch must be empty before it can be the current one again.
        guard isQuiet(now &+ 1) else { return false }
        retired.draining = retired.waiting
        retired.waiting = []
        epoch.store(now &+ 1, ordering: .sequentiallyConsistent)
      }
      return false
    }
    // Outside the lock: a release may run long.
    free.removeAll()
    return isEmpty
  }

  private func isQuiet(_ epoch: Int) -> Bool {
    var sum = 0
    for stripe in 0..<Self.stripes {
      unsafe sum &+= count(stripe, epoch).pointee.load(ordering: .sequentiallyConsistent)
    }
    return sum == 0
  }

  /// Waits until everything replaced before the call is released. Not from inside a reader.
  package func synchronize() {
    while !reclaim() { sched_yield() }
  }
}
