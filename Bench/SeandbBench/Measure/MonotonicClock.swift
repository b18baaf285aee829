import Glibc

// SAFETY: the time is lent to the system call until that returns.

package enum MonotonicClock {
  /// Nanoseconds since some start; a call takes 20 to 40.
  @inline(__always)
  package static func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(bitPattern: Int64(time.tv_sec)) &* 1_000_000_000
      &+ UInt64(bitPattern: Int64(time.tv_nsec))
  }
}
