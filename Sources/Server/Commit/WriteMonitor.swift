import Dispatch
package import Engine
import Glibc
package import Logging
import NIOPosix
import Synchronization
import Wire

/// Tells people when an engine stops taking writes, and when it takes them again: one line in the log for each
/// change, with its cause, and whoever else wants to know (health).
///
/// It looks once a second, because a flush or a compaction can fail while nobody writes, and at once after a
/// write that failed.
///
/// Thread-safety: `look` and `state` from any thread; `start` and `stop` once, in this order.
package final class WriteMonitor: Sendable {
  private static let interval = DispatchTimeInterval.seconds(1)
  /// A pause is asked after by trying, so not for each failed write; nanoseconds.
  private static let shortestInterval: UInt64 = 100_000_000

  private let engine: any StorageEngine
  private let logger: Logger
  private let didChange: @Sendable (_ isOpen: Bool) -> Void
  private let known = Mutex(Known())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = NIOThreadPool(numberOfThreads: 1)

  private struct Known {
    var state = WriteState.open
    /// When it began, in seconds of the Unix epoch.
    var since: time_t = 0
    var lookedAt: UInt64 = 0
    var isStopping = false
  }

  /// - Parameter didChange: runs after each change, on the thread that saw it, under a lock: it must not block and
  ///   not call the monitor.
  package init(
    engine: any StorageEngine, logger: Logger, didChange: @escaping @Sendable (Bool) -> Void
  ) {
    self.engine = engine
    self.logger = logger
    self.didChange = didChange
  }

  package func start() {
    thread.start()
    thread.submit { [self] _ in
      while wakeUp.wait(timeout: .now() + Self.interval) == .timedOut { look() }
    }
  }

  /// Begins no further look, and waits for one that runs.
  package func stop() {
    wakeUp.signal()
    try? thread.syncShutdownGracefully()
    known.withLock { $0.isStopping = true }
  }

  /// What was seen last.
  package var state: WriteState { known.withLock { $0.state } }

  /// When the present state began, such as `07:30:05 UTC`.
  package var since: String { Self.clock(known.withLock { $0.since }) }

  /// Asks the engine, and tells of a change.
  package func look() {
    known.withLock { known in
      let now = MonotonicClock.now()
      guard !known.isStopping,
        known.state == .open || now >= known.lookedAt &+ Self.shortestInterval
      else { return }
      known.lookedAt = now
      let state = engine.writeState()
      guard !state.isSame(as: known.state) else { return }
      known.state = state
      known.since = time(nil)
      tell(state)
      didChange(state == .open)
    }
  }

  private func tell(_ state: WriteState) {
    switch state {
    case .open: logger.notice("writes are taken again")
    case .paused(let reason):
      logger.error(
        "no writes are taken until there is room on the disk; reads go on. Free space: writes go on by themselves",
        metadata: ["cause": "\(reason)"])
    case .refused(let reason):
      logger.critical(
        "no more writes are taken; reads go on. Mend what the cause names, then restart the server",
        metadata: ["cause": "\(reason)"])
    }
  }

  private static func clock(_ seconds: time_t) -> String {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
  }
}

extension WriteState {
  /// Whether both are of one kind: the words of a cause may change from look to look.
  fileprivate func isSame(as other: WriteState) -> Bool {
    switch (self, other) {
    case (.open, .open), (.paused, .paused), (.refused, .refused): true
    default: false
    }
  }
}
