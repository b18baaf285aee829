import Glibc
import Synchronization

/// Slows writes down, smoothly, while level 0 grows faster than compaction empties it.
///
/// Each table of level 0 beyond the first limit makes a byte dearer, from about 32 MB/s down to 1 MB/s at the
/// second limit, where writes wait. So a writer meets a slope and not a wall.
///
/// Thread-safety: `update` from any thread; `delay` from one at a time.
final class WriteStalls: Sendable {
  /// What a written byte costs in nanoseconds.
  private let nanosecondsPerByte = Atomic<UInt64>(0)
  private let debt = Atomic<UInt64>(0)

  private static let cheapest: UInt64 = 30
  private static let dearest: UInt64 = 1000
  /// Shorter sleeps than this are inexact: they are saved up.
  private static let shortestSleep: UInt64 = 1_000_000
  private static let longestSleep: UInt64 = 100_000_000

  /// Bytes a second that writes are held down to; 0: not held down.
  var bytesPerSecond: UInt64 {
    let cost = nanosecondsPerByte.load(ordering: .relaxed)
    return cost == 0 ? 0 : 1_000_000_000 / cost
  }

  func update(_ version: Version, _ options: TreeOptions) {
    let count = version.level0.count
    let first = options.level0SlowdownCount
    let span = max(options.level0StopCount - first, 1)
    let cost: UInt64 =
      count < first
      ? 0
      : Self.cheapest
        + (Self.dearest - Self.cheapest) * UInt64(min(count - first, span)) / UInt64(span)
    nanosecondsPerByte.store(cost, ordering: .relaxed)
  }

  /// Sleeps for what `bytes` cost now; a load and nothing else while all is well.
  @inline(__always)
  func delay(_ bytes: Int) {
    let cost = nanosecondsPerByte.load(ordering: .relaxed)
    if cost > 0 { pay(UInt64(bytes) &* cost) }
  }

  private func pay(_ nanoseconds: UInt64) {
    let owed = debt.load(ordering: .relaxed) &+ nanoseconds
    guard owed >= Self.shortestSleep else {
      debt.store(owed, ordering: .relaxed)
      return
    }
    debt.store(0, ordering: .relaxed)
    let sleep = min(owed, Self.longestSleep)
    usleep(UInt32(sleep / 1000))
  }
}
