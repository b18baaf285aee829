import Glibc

/// The system's monotonic clock.
// SAFETY: the system writes the time into a variable of our own, within the call.
enum MonotonicTime {
  static var nanoseconds: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
