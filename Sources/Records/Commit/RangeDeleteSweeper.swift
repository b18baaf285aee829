import Dispatch
package import Engine
import Platform
import Synchronization

// SAFETY: a batch lends the bytes of an entry to the visit, which copies them.

/// Compacts ranges that were deleted, in the background, so that their space comes back and scans over them
/// are fast again.
///
/// On RocksDB 7.8 every record that a range delete hides costs a scan a point read until a compaction has
/// dropped it (docs/decisions/0009-scans-beside-range-deletes.md): after a delete of everything, an empty
/// answer could take seconds. One sweep runs at a time and is followed by a pause of four times its length,
/// so that at most a fifth of the time goes into it. Deletes that come meanwhile are gathered. An engine that sees
/// to this itself is left alone.
///
/// Thread-safety: `add` from any thread; `start`, `stop` and `waitUntilEnded` once, in this order.
package final class RangeDeleteSweeper: Sendable {
  /// Ranges that wait; beyond it they are joined into one.
  private static let waitingRanges = 32
  /// The longest pause between two sweeps, in nanoseconds.
  private static let longestPause: UInt64 = 30_000_000_000

  /// nil for an engine without tables of its own.
  private let engine: (any LocalStore)?
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "sweeper")

  private struct State {
    var ranges: [KeyRange] = []
    var isStopping = false
  }

  package init(engine: any StorageEngine) { self.engine = engine as? any LocalStore }

  /// Starts the thread of the sweeps. To be called once.
  package func start() {
    thread.start { [self] in run() }
  }

  /// Queues the ranges that a committed batch deleted.
  package func add(_ batch: WriteBatch) {
    guard isNeeded else { return }
    var added: [KeyRange] = []
    do throws(EngineError) {
      try batch.visitEntries { entry in
        if case .deleteRange(let lower, let upper) = entry {
          unsafe added.append(KeyRange(lower: Array(lower), upper: Array(upper)))
        }
      }
    } catch {
      // The engine has just taken the batch: it is well-formed.
      return
    }
    add(added)
  }

  private var isNeeded: Bool { engine.map { !$0.traits.compactsDeletedRanges } ?? false }

  /// Queues ranges that were deleted.
  package func add(_ added: [KeyRange]) {
    guard isNeeded else { return }
    let mustWake = state.withLock { state in
      let wasEmpty = state.ranges.isEmpty
      for range in added where !state.ranges.contains(range) { state.ranges.append(range) }
      if state.ranges.count > Self.waitingRanges { state.ranges = [Self.joined(state.ranges)] }
      return wasEmpty && !state.ranges.isEmpty
    }
    if mustWake { wakeUp.signal() }
  }

  /// Begins no further sweep. One that runs ends when the engine is closed.
  package func stop() {
    state.withLock { $0.isStopping = true }
    wakeUp.signal()
  }

  /// Waits for the end of the thread, after ``stop()``: as long as a sweep lasts that nobody ends.
  package func waitUntilEnded() {
    thread.join()
  }

  private func run() {
    while true {
      wakeUp.wait()
      let (ranges, isStopping) = state.withLock { state in
        defer { state.ranges = [] }
        return (state.ranges, state.isStopping)
      }
      if isStopping { return }
      let start = MonotonicClock.now()
      for range in ranges {
        if state.withLock({ $0.isStopping }) { return }
        // What hinders a compaction (closed, disk full) hinders writes too, and is told there.
        try? engine?.compact(range)
      }
      let pause = min((MonotonicClock.now() - start) * 4, Self.longestPause)
      // Woken by more deletes the pause goes on; only a stop ends it.
      let end = DispatchTime.now() + .nanoseconds(Int(pause))
      var isWoken = false
      while wakeUp.wait(timeout: end) == .success {
        if state.withLock({ $0.isStopping }) { return }
        isWoken = true
      }
      if isWoken { wakeUp.signal() }
    }
  }

  /// One range that holds all of `ranges`.
  private static func joined(_ ranges: [KeyRange]) -> KeyRange {
    var all = ranges[0]
    for range in ranges.dropFirst() {
      if range.lower.lexicographicallyPrecedes(all.lower) { all.lower = range.lower }
      if let upper = range.upper, let current = all.upper,
        current.lexicographicallyPrecedes(upper)
      {
        all.upper = upper
      }
    }
    return all
  }
}
