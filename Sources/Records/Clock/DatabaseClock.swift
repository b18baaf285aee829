import Glibc
import Platform
import Synchronization

// SAFETY: the system writes the time into a variable of our own, within the call.

/// What time it is, for all that ends by itself.
///
/// Thread-safety: any thread.
package final class DatabaseClock: Sendable {
  /// The machine's.
  package static let system = DatabaseClock(
    date: { DatabaseClock.machineDate() }, elapsed: { MonotonicClock.now() })

  private let readDate: @Sendable () -> UInt64
  private let readElapsed: @Sendable () -> UInt64
  private let newest = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - date: nanoseconds since 1970; may go back.
  ///   - elapsed: nanoseconds since some moment; never goes back.
  package init(
    date: @escaping @Sendable () -> UInt64, elapsed: @escaping @Sendable () -> UInt64
  ) {
    readDate = date
    readElapsed = elapsed
  }

  /// Nanoseconds since 1970. Never goes back within a process, whatever becomes of the machine's clock: what has ended
  /// must not begin again.
  package func date() -> UInt64 {
    let read = readDate()
    let newest = newest.max(read, ordering: .relaxed).newValue
    return newest
  }

  /// Nanoseconds since some moment: for lengths of time, which no change of the date makes shorter or longer.
  func elapsed() -> UInt64 { readElapsed() }

  private static func machineDate() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    // A clock of before 1970 is none.
    return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
