import Dispatch
import Glibc

/// What `body` returns on a thread of its own: those of tasks are few, and must not be blocked.
package func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
  await withCheckedContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(returning: body()) }
  }
}

/// What the calling thread has had of the processor: a limit on work by this is not passed because other tests run at
/// the same time.
package func threadProcessorSeconds() -> Double {
  var time = timespec()
  // SAFETY: the call writes to a variable of this function and is over when it returns.
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
