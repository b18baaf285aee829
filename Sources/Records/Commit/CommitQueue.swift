import Dispatch
package import Engine
import Platform
import Synchronization

/// The one way a write reaches the engine: calls queue their changes, one thread commits them in groups.
///
/// While one group is written and synced the next one gathers; there is no timer. Each group is one engine batch,
/// so one fsync pays for every call in it, and the observer is told of them together. A call's changes are never
/// split over two groups.
///
/// Thread-safety: `enqueue` from any thread; `start` and `stop` once.
///
/// Durability: the observer hears of a commit only after the engine returned from `apply` with the
/// durability asked for.
package final class CommitQueue: Sendable {
  /// A group takes no more calls once it has this many bytes or calls; a call of this many bytes is alone in its group.
  package static let groupBytes = 4 << 20
  /// See ``groupBytes``.
  package static let groupCalls = 4096
  /// Changes waiting in memory; beyond it, calls are refused.
  package static let maximumQueuedBytes = 256 << 20

  private let engine: any StorageEngine
  private let cache: RecordCache?
  private let durability: Durability
  private let sweeper: RangeDeleteSweeper?
  private let mark: CommitMark?
  private let monitor: WriteMonitor?
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "commit")

  /// Changes of several calls, to be committed together.
  // SAFETY of `@unchecked Sendable`: a group is in the queue, behind the mutex, or with the commit
  // thread alone.
  private final class Group: @unchecked Sendable {
    let batch = WriteBatch()
    var calls: [CommitTicket] = []
    /// Its share of `State.queuedBytes`.
    var queuedBytes = 0

    func removeAll() {
      queuedBytes = 0
      batch.clear(keepingAtMost: CommitQueue.groupBytes)
      calls.removeAll(keepingCapacity: true)
    }
  }

  private struct State {
    var groups: [Group] = []
    /// An emptied group, for the next use of its memory.
    var spare: Group?
    var queuedBytes = 0
    var isIdle = true
    var isStopping = false
  }

  /// - Parameters:
  ///   - cache: is told before and after each commit.
  ///   - mark: is told of each commit before its calls are answered.
  ///   - sweeper: is told of committed range deletes.
  ///   - monitor: is told when a commit failed.
  package init(
    engine: any StorageEngine, cache: RecordCache? = nil, durability: Durability,
    mark: CommitMark? = nil, sweeper: RangeDeleteSweeper? = nil, monitor: WriteMonitor? = nil
  ) {
    self.engine = engine
    self.cache = cache
    self.mark = mark
    self.sweeper = sweeper
    self.monitor = monitor
    self.durability = durability
  }

  /// Queues the changes of one call; the observer hears later what has become of them.
  ///
  /// - Parameter append: writes the changes; runs at once, under the queue's lock: keep it short.
  /// - Returns: false, without running `append`, when the queue is full or stopping.
  package func enqueue(
    _ call: CommitTicket, byteCount: Int, _ append: (WriteBatch) -> Void
  ) -> Bool {
    let (isTaken, mustWake) = state.withLock { state -> (Bool, Bool) in
      // What is larger than the queue is taken when it is alone: it would never fit otherwise.
      let fits = state.queuedBytes == 0 || state.queuedBytes + byteCount <= Self.maximumQueuedBytes
      guard fits, !state.isStopping else {
        return (false, false)
      }
      let group = Self.openGroup(&state, byteCount)
      append(group.batch)
      group.calls.append(call)
      group.queuedBytes += byteCount
      state.queuedBytes += byteCount
      defer { state.isIdle = false }
      return (true, state.isIdle)
    }
    if mustWake { wakeUp.signal() }
    return isTaken
  }

  private static func openGroup(_ state: inout State, _ byteCount: Int) -> Group {
    // A large call is alone: should it be too large for the engine, no other one fails with it.
    if let last = state.groups.last, last.batch.byteCount < groupBytes, byteCount < groupBytes,
      last.calls.count < groupCalls
    {
      return last
    }
    let group = state.spare ?? Group()
    state.spare = nil
    state.groups.append(group)
    return group
  }

  /// Starts the commit thread.
  package func start(_ observer: some CommitObserver) {
    thread.start { [self] in run(observer) }
  }

  /// Commits what is queued, then ends the thread. Blocks until it is done.
  package func stop() {
    let mustWake = state.withLock { state -> Bool in
      state.isStopping = true
      defer { state.isIdle = false }
      return state.isIdle
    }
    if mustWake { wakeUp.signal() }
    ended.wait()
    thread.join()
  }

  private func run(_ observer: some CommitObserver) {
    var observer = observer
    while true {
      let (group, isStopping) = state.withLock { state -> (Group?, Bool) in
        guard !state.groups.isEmpty else {
          state.isIdle = !state.isStopping
          return (nil, state.isStopping)
        }
        let group = state.groups.removeFirst()
        state.queuedBytes -= group.queuedBytes
        return (group, false)
      }
      if let group {
        commit(group, &observer)
        group.removeAll()
        state.withLock { if $0.spare == nil { $0.spare = group } }
      } else if isStopping {
        ended.signal()
        return
      } else {
        wakeUp.wait()
      }
    }
  }

  private func apply(_ batch: WriteBatch) throws(EngineError) {
    guard let cache else { return try engine.apply(batch, durability: durability) }
    let mark = cache.willApply(batch)
    // Whether a batch that failed is there is not known: it was removed all the same.
    defer { cache.didApply(batch, mark) }
    try engine.apply(batch, durability: durability)
  }

  private func commit(_ group: Group, _ observer: inout some CommitObserver) {
    do throws(EngineError) {
      try apply(group.batch)
      mark?.record(engine, durability)
      observer.didCommit(group.calls)
    } catch {
      monitor?.look()
      observer.didFail(group.calls, error, since: monitor?.since)
    }
    if group.batch.rangeDeleteCount > 0 { sweeper?.add(group.batch) }
  }
}
