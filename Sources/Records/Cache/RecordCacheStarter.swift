import Dispatch
package import Engine
import Platform

/// Has a ``RecordCache`` taken into use once blocks have filled their cache.
///
/// Before that whatever was read once is in memory, and reads and writes need not know of the cache. It looks every two
/// seconds, on a thread of its own, which ends then.
///
/// Thread-safety: `start` and `stop` once, in this order.
package final class RecordCacheStarter: Sendable {
  private static let interval = DispatchTimeInterval.seconds(2)

  private let engine: any StorageEngine
  private let cache: RecordCache
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "cache starter")

  /// - Parameter engine: its figures say how full the cache of blocks is.
  package init(engine: any StorageEngine, cache: RecordCache) {
    self.engine = engine
    self.cache = cache
  }

  /// Starts the thread.
  package func start() {
    thread.start { [self] in
      while cache.isOn, !cache.isInUse, wakeUp.wait(timeout: .now() + Self.interval) == .timedOut {
        look()
      }
    }
  }

  /// Ends the thread and waits for it.
  package func stop() {
    wakeUp.signal()
    thread.join()
  }

  /// Starts the cache when an eighth of the blocks' cache is free at most, indexes and filters counted.
  package func look() {
    // An engine that is closed or cannot say has no reads that would gain.
    guard let statistics = try? engine.statistics() else { return }
    let capacity = statistics.cacheCapacityBytes
    if capacity > 0, statistics.cacheUsedBytes >= capacity - capacity / 8 { cache.start() }
  }
}
