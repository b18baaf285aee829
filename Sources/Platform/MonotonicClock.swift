import Glibc

/// Nanoseconds of `CLOCK_MONOTONIC`: for deadlines, never for dates.
// SAFETY: The system writes the time into a variable of our own, within the call.
package enum MonotonicClock {
  /// Nanoseconds since some moment before the process began.
  package static func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
