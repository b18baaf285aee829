import Dispatch
package import Engine
import Glibc
package import Logging
import Platform
import Synchronization

// SAFETY: the time and its parts are lent to `gmtime_r` until it returns; the name of the zone in them is not read.

/// Tells people when an engine stops taking writes, and when it takes them again: one line in the log for each
/// change, with its cause, and whoever else wants to know (health).
///
/// It looks once a second, because a flush or a compaction can fail while nobody writes, and at once after a
/// write that failed. Once a second it also looks whether the store is where it was, and stops all writing when it
/// is not.
///
/// Thread-safety: `look` and `state` from any thread; `start` and `stop` once, in this order.
package final class WriteMonitor: Sendable {
  private static let interval = DispatchTimeInterval.seconds(1)
  /// A pause is asked after by trying, so not for each failed write; nanoseconds.
  private static let shortestInterval: UInt64 = 100_000_000

  private let engine: any StorageEngine
  private let logger: Logger
  private let didChange: @Sendable (_ takesWrites: Bool) -> Void
  private let known = Mutex(Known())
  /// For the monitor's thread, and the last look; nobody else waits for it.
  private let store: Mutex<StoreWatch?>
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "write monitor")

  private struct Known {
    var state = WriteState.open
    /// When it began, in seconds of the Unix epoch.
    var since: time_t = 0
    var lookedAt: UInt64 = 0
    var isStopping = false
  }

  /// - Parameters:
  ///   - store: the engine's folder; nil when there is none.
  ///   - didChange: runs after each change, on the thread that saw it, under a lock: it must not block and not call
  ///     the monitor.
  package init(
    engine: any StorageEngine, store: StoreWatch? = nil, logger: Logger,
    didChange: @escaping @Sendable (_ takesWrites: Bool) -> Void
  ) {
    self.engine = engine
    self.store = Mutex(store)
    self.logger = logger
    self.didChange = didChange
  }

  /// Starts the thread that looks once a second. To be called once.
  package func start() {
    thread.start { [self] in
      while wakeUp.wait(timeout: .now() + Self.interval) == .timedOut {
        lookAtStore()
        look()
      }
    }
  }

  /// Begins no further look, and waits for one that runs.
  package func stop() {
    wakeUp.signal()
    thread.join()
    known.withLock { $0.isStopping = true }
  }

  /// What was seen last.
  package var state: WriteState { known.withLock { $0.state } }

  /// When the present state began, such as `07:30:05 UTC`.
  package var since: String { Self.clock(known.withLock { $0.since }) }

  /// Has the engine stop when its files are gone.
  private func lookAtStore(isLast: Bool = false) {
    // An engine that takes no writes may be without a log until it can begin a new one.
    let needsLog = (isLast ? engine.writeState() : state).takesWrites
    store.withLock { store in
      guard let gone = store?.look(needsLog: needsLog, isLast: isLast) else { return }
      engine.refuseWrites(gone)
      // Said once.
      store = nil
    }
  }

  /// Looks at the store and asks the engine, also when that was done a moment ago.
  package func lookForTheLastTime() {
    lookAtStore(isLast: true)
    look(isLast: true)
  }

  /// Asks the engine, and tells of a change.
  ///
  /// - Parameter isLast: asks also when it was asked a moment ago.
  package func look(isLast: Bool = false) {
    known.withLock { known in
      let now = MonotonicClock.now()
      guard !known.isStopping,
        isLast || known.state.takesWrites || now >= known.lookedAt &+ Self.shortestInterval
      else { return }
      known.lookedAt = now
      let state = engine.writeState()
      let before = known.state
      guard !state.isSame(as: before) else { return }
      known.state = state
      known.since = time(nil)
      tell(state, after: before)
      if state.takesWrites != before.takesWrites { didChange(state.takesWrites) }
    }
  }

  private func tell(_ state: WriteState, after before: WriteState) {
    switch state {
    case .open:
      logger.notice(before.takesWrites ? "flush and compaction go on" : "writes are taken again")
    case .strained(let reason):
      logger.warning(
        "a flush or compaction failed and is tried again; writes are taken meanwhile",
        metadata: ["cause": "\(reason)"])
    case .paused(let reason):
      logger.error(
        "no writes are taken for now; reads go on. Mend what the cause names: writes go on by themselves then",
        metadata: ["cause": "\(reason)"])
    case .refused(let reason):
      logger.critical(
        "no more writes are taken; reads go on. Mend what the cause names, then restart the server",
        metadata: ["cause": "\(reason)"])
    }
  }

  private static func clock(_ seconds: time_t) -> String {
    var seconds = seconds
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
  }
}

extension WriteState {
  /// Whether both are of one kind: the words of a cause may change from look to look.
  fileprivate func isSame(as other: WriteState) -> Bool {
    switch (self, other) {
    case (.open, .open), (.strained, .strained), (.paused, .paused), (.refused, .refused): true
    default: false
    }
  }
}
