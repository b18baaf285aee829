import Dispatch
import Platform
import Synchronization

/// The thread on which long writes are checked, one after the other in the order in which they came.
///
/// One is enough: to commit them takes the one commit thread longer.
///
/// Thread-safety: `submit` from any thread; `start` and `stop` once.
final class WriteChecks: Sendable {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "write-check")

  func submit(_ job: @escaping @Sendable () -> Void) {
    state.withLock { $0.jobs.append(job) }
    wakeUp.signal()
  }

  func start() { thread.start { [self] in run() } }

  /// Runs what was submitted, then ends the thread. Blocks until it is done.
  func stop() {
    state.withLock { $0.isStopping = true }
    wakeUp.signal()
    thread.join()
  }

  private func run() {
    while true {
      let (job, isStopping) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
        guard !state.jobs.isEmpty else { return (nil, state.isStopping) }
        return (state.jobs.removeFirst(), false)
      }
      if let job {
        job()
      } else if isStopping {
        return
      } else {
        wakeUp.wait()
      }
    }
  }
}
