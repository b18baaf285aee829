import Records
import Synchronization

/// A clock that a test sets.
final class ManualClock: Sendable {
  private let date = Atomic<UInt64>(0)
  private let elapsed = Atomic<UInt64>(0)

  /// - Parameter date: seconds since 1970.
  init(date: UInt64 = 1_800_000_000) { set(date: date) }

  /// As a database reads it. Each one is another process.
  var clock: DatabaseClock {
    DatabaseClock(
      date: { self.date.load(ordering: .relaxed) },
      elapsed: { self.elapsed.load(ordering: .relaxed) })
  }

  /// Lets time pass.
  func advance(seconds: UInt64) {
    date.add(seconds * 1_000_000_000, ordering: .relaxed)
    elapsed.add(seconds * 1_000_000_000, ordering: .relaxed)
  }

  /// Somebody sets the machine's date. No time passes.
  func set(date seconds: UInt64) { date.store(seconds * 1_000_000_000, ordering: .relaxed) }
}
