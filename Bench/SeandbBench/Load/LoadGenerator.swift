import Glibc
import Platform
import Synchronization

// SAFETY: a thread's state is handed to its worker, which alone uses it from then on; a time is lent to a system call
// until that returns.

/// Puts a load on a server.
package enum LoadGenerator {
  /// Connects, makes the calls and waits for the last answer.
  ///
  /// - Parameters:
  ///   - onBegin: called on this thread when calls begin to count.
  ///   - onEnd: called on this thread when they do no longer.
  /// - Throws: ``LoadFailure`` when an answer is wrong or a connection breaks.
  package static func run<D: Dialect>(
    _ dialect: D, shape: LoadShape, address: SocketAddress, tls: TLSClient?,
    onBegin: () -> Void, onEnd: () -> Void
  ) throws(LoadFailure) -> LoadResult {
    let stop = StopSignal()
    var threads: [LoadThread<D>] = []
    for number in 0..<shape.threads {
      threads.append(
        try LoadThread(
          dialect, shape: shape, number: number, address: address, tls: tls, stop: stop))
    }
    let results = Results(count: shape.threads)
    // A moment later, so that all threads are there.
    let start = MonotonicClock.now() + 1_000_000
    let workers = threads.map { thread in
      // SAFETY: from here on the worker alone uses it.
      nonisolated(unsafe) let thread = thread
      let worker = WorkerThread(name: "load")
      worker.start {
        let result: Result<LoadResult, LoadFailure>
        do throws(LoadFailure) {
          result = unsafe .success(try thread.run(from: start))
        } catch {
          stop.set()
          result = .failure(error)
        }
        results.add(result)
      }
      return worker
    }
    if shape.callCount != nil {
      onBegin()
    } else {
      wait(until: start + shape.warmUp, unless: stop)
      onBegin()
      wait(until: start + shape.warmUp + shape.duration, unless: stop)
      onEnd()
    }
    for worker in workers { worker.join() }
    if shape.callCount != nil { onEnd() }
    return try results.merged()
  }

  private static func wait(until end: UInt64, unless stop: StopSignal) {
    while !stop.isSet {
      let now = MonotonicClock.now()
      guard now < end else { return }
      var time = timespec(tv_sec: 0, tv_nsec: Int(min(end - now, 50_000_000)))
      unsafe nanosleep(&time, nil)
    }
  }

  /// What the threads have seen.
  private final class Results: Sendable {
    private let count: Int
    private let results = Mutex<[Result<LoadResult, LoadFailure>]>([])

    init(count: Int) { self.count = count }

    func add(_ result: Result<LoadResult, LoadFailure>) { results.withLock { $0.append(result) } }

    /// - Precondition: every thread has ended.
    func merged() throws(LoadFailure) -> LoadResult {
      let results = self.results.withLock { $0 }
      precondition(results.count == count, "every thread has ended")
      var merged: LoadResult?
      for result in results {
        let result = try result.get()
        if merged == nil { merged = result } else { merged?.merge(result) }
      }
      guard let merged else { preconditionFailure("there is at least one thread") }
      return merged
    }
  }
}
