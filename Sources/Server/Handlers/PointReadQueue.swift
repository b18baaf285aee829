import Bytes
import Dispatch
package import Engine
import Platform
package import Records
import Synchronization
package import Wire

/// Look-ups of single records that wait for the disk, and the threads that do them.
///
/// A thread takes its share of all that wait, so that a disk is read by all threads at once, looks them up together and
/// answers them with one hop to each event loop. One thread at most is being woken at a time, and wakes the next one
/// when it has left something: a burst costs a few wake-ups, and threads that are busy cost none.
///
/// Thread-safety: `read` from any thread; `start` and `stop` once.
package final class PointReadQueue: Sendable {
  /// The most that one thread takes: what comes behind waits for all of them.
  package static let groupReads = 32

  private let engine: any StorageEngine
  private let limits: PointReads.Limits
  private let queued: QueuedReads
  private let threads: [WorkerThread]
  private let wakeUp = DispatchSemaphore(value: 0)
  private let state = Mutex(State())

  private struct State: ~Copyable {
    /// What is taken from.
    var front = PointReads()
    /// What is added to; becomes the front when that is empty.
    var back = PointReads()
    /// Threads that wait, or will in a moment, and that nobody wakes yet.
    var idleThreads = 0
    /// Whether a thread was woken that has not yet looked.
    var isWaking = false
    var isStopping = false

    var waitingCount: Int { front.count + back.count }

    /// - Returns: whether the caller has to wake a thread.
    mutating func shouldWake() -> Bool {
      guard idleThreads > 0, !isWaking, waitingCount > 0 else { return false }
      idleThreads -= 1
      isWaking = true
      return true
    }
  }

  /// - Parameters:
  ///   - threadCount: at least 1.
  ///   - maximumResponseBytes: of an answer without gRPC's prefix.
  ///   - answers: counts answers until an event loop has them.
  ///   - queued: the count of all reads.
  package init(
    engine: any StorageEngine, threadCount: Int, maximumResponseBytes: Int, answers: MemoryBudget,
    queued: QueuedReads
  ) {
    self.engine = engine
    limits = PointReads.Limits(maximumResponseBytes: maximumResponseBytes, answers: answers)
    self.queued = queued
    threads = (0..<threadCount).map { WorkerThread(name: "point-read-\($0)") }
  }

  /// Starts the threads.
  package func start(_ completions: Completions) {
    for thread in threads { thread.start { [self] in run(completions) } }
  }

  /// Whether what comes now would be refused, for the number of reads or for the memory of answers.
  var isFull: Bool { queued.isFull || limits.answers.isSpent }

  /// Has the call answered with the record under `key`, as it is when a thread comes to it; not looked up at all when
  /// nobody waits for it any more by then.
  ///
  /// - Parameter key: as the request has it; it is copied.
  @safe
  package func read(
    _ key: UnsafeRawBufferPointer, of store: ModelStore, _ answer: ModelStore.PointAnswer,
    _ context: CallContext
  ) -> UnaryOutcome {
    guard queued.add() else { return .failed(StatusMapping.readQueueFull) }
    let cancellation = CallCancellation()
    let (isTaken, mustWake) = state.withLock { state -> (Bool, Bool) in
      guard !state.isStopping else { return (false, false) }
      state.back.append(context.token, key, store, answer, cancellation)
      return (true, state.shouldWake())
    }
    guard isTaken else {
      queued.remove(1)
      return .failed(StatusMapping.readQueueFull)
    }
    if mustWake { wakeUp.signal() }
    return .cancellable(cancellation)
  }

  /// Answers all that waits, then ends the threads. Blocks until it is done.
  package func stop() {
    let idleThreads = state.withLock { state in
      state.isStopping = true
      defer { state.idleThreads = 0 }
      return state.idleThreads
    }
    for _ in 0..<idleThreads { wakeUp.signal() }
    for thread in threads { thread.join() }
  }

  // MARK: - The threads

  private enum Turn {
    /// So many reads were taken or dropped.
    case reads(Int)
    case idle
    case end
  }

  private func run(_ completions: Completions) {
    var completions = completions
    var group = PointReads()
    var wasWoken = false
    while true {
      let (turn, mustWake) = take(into: &group, wasWoken: wasWoken)
      if mustWake { wakeUp.signal() }
      wasWoken = false
      switch turn {
      case .reads(let count):
        group.answer(from: engine, limits, into: &completions)
        completions.post()
        group.removeAll()
        queued.remove(count)
      case .idle:
        wakeUp.wait()
        wasWoken = true
      case .end: return
      }
    }
  }

  private func take(into group: inout PointReads, wasWoken: Bool) -> (Turn, mustWake: Bool) {
    state.withLock { state in
      if wasWoken { state.isWaking = false }
      let waiting = state.waitingCount
      guard waiting > 0 else {
        if state.isStopping { return (.end, false) }
        state.idleThreads += 1
        return (.idle, false)
      }
      let share = min(Self.groupReads, max(1, waiting / threads.count))
      if state.front.count == 0 { swap(&state.front, &state.back) }
      let count = state.front.move(share, to: &group)
      return (.reads(count), state.shouldWake())
    }
  }
}
