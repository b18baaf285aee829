import Dispatch

/// What `body` returns on a thread of its own: those of tasks are few, and must not be blocked.
package func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
  await withCheckedContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(returning: body()) }
  }
}
