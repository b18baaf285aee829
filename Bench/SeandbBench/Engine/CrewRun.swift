import Glibc
import Platform
import Synchronization

/// Threads that do the same work, side by side.
struct Crew: Sendable {
  /// Runs on each thread: calls ``Worker/next()`` until it is nil, with a lap for each call into the engine.
  typealias Work = @Sendable (inout Worker, inout LatencyRecorder) throws -> Void

  /// Its name after the workload's: `.writes`.
  var part = ""
  var threads = 1
  /// Shared out among the threads. nil: as many as they can, until the other crews are done.
  var operations: Int?
  /// The kinds of operations that are told apart: `.read`, `.update`; none: there is one kind.
  var kinds: [String] = []
  let work: Work
}

/// What a crew has done.
struct CrewResult: Sendable {
  /// By kind.
  var kinds: [LoopTimes]
  var userBytes: Int

  mutating func merge(_ other: CrewResult) {
    for index in kinds.indices { kinds[index].merge(other.kinds[index]) }
    userBytes += other.userBytes
  }
}

/// One run of crews that start together.
final class CrewRun: Sendable {
  // Constant.
  private let store: Store
  private let workload: Workload
  private let crews: [Crew]
  private let threadCount: Int
  private let cancelled = StopFlag()
  private let othersDone = StopFlag()
  // Guarded, or atomic.
  private let readyCount = Atomic(0)
  private let startedAt = Atomic<UInt64>(0)
  private let state: Mutex<State>

  private struct State {
    var usageBefore: ProcessUsage?
    /// By crew; nil before the first of its threads has ended.
    var results: [CrewResult?]
    var openCount: Int
    var error: (any Error)?
  }

  init(_ store: Store, _ workload: Workload, _ crews: [Crew]) {
    self.store = store
    self.workload = workload
    self.crews = crews
    threadCount = crews.reduce(0) { $0 + $1.threads }
    state = Mutex(
      State(
        results: Array(repeating: nil, count: crews.count),
        openCount: crews.reduce(0) { $0 + ($1.operations == nil ? 0 : $1.threads) }))
  }

  /// Runs them; returns when all have ended.
  ///
  /// - Returns: what each crew has done, and what the process had used when they started.
  /// - Throws: the first error of a thread, which ends the others.
  func run() throws -> (results: [CrewResult], usageBefore: ProcessUsage) {
    var threads: [WorkerThread] = []
    var number = 0
    for (index, crew) in crews.enumerated() {
      for share in 0..<crew.threads {
        let thread = number
        number += 1
        // One thread alone need not be another one.
        if threadCount == 1 {
          runThread(0, of: crew, index, share: 0)
        } else {
          let worker = WorkerThread(name: "crew")
          worker.start { self.runThread(thread, of: crew, index, share: share) }
          threads.append(worker)
        }
      }
    }
    for thread in threads { thread.join() }
    return try state.withLock { state in
      if let error = state.error { throw error }
      guard let usage = state.usageBefore else { preconditionFailure("no thread has started") }
      return (state.results.compactMap { $0 }, usage)
    }
  }

  private func runThread(_ number: Int, of crew: Crew, _ index: Int, share: Int) {
    let positions =
      crew.operations.map { Permutation.share(share, of: crew.threads, in: $0) } ?? 0..<Int.max
    var worker = Worker(
      store, workload, thread: number, positions: positions,
      stop: crew.operations == nil ? othersDone : cancelled)
    var recorder = LatencyRecorder(
      startedAt: waitForStart(), kindCount: max(1, crew.kinds.count))
    do {
      try crew.work(&worker, &recorder)
      let result = CrewResult(kinds: recorder.finishKinds(), userBytes: worker.userBytes)
      state.withLock { state in
        if state.results[index] == nil {
          state.results[index] = result
        } else {
          state.results[index]?.merge(result)
        }
        if crew.operations != nil { state.openCount -= 1 }
        if state.openCount == 0 { othersDone.set() }
      }
    } catch {
      state.withLock { if $0.error == nil { $0.error = error } }
      cancelled.set()
      othersDone.set()
    }
  }

  /// The last one to be ready starts all.
  ///
  /// - Returns: when they have started.
  private func waitForStart() -> UInt64 {
    if readyCount.add(1, ordering: .acquiringAndReleasing).newValue == threadCount {
      ProcessUsage.resetPeak()
      let usage = ProcessUsage.now()
      state.withLock { $0.usageBefore = usage }
      startedAt.store(MonotonicClock.now(), ordering: .releasing)
    }
    while true {
      let start = startedAt.load(ordering: .acquiring)
      if start != 0 { return start }
      sched_yield()
    }
  }
}
