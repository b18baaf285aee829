import Glibc

// SAFETY: the thread takes the box over that `start` retained, once.

/// A thread of the operating system, for work that blocks.
package struct WorkerThread {
  private let thread: pthread_t

  /// Starts a thread which runs `body` once.
  @discardableResult
  package static func start(_ body: @escaping @Sendable () -> Void) -> WorkerThread {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = unsafe Unmanaged.passRetained(Box(body))
    let status = unsafe pthread_create(
      &thread, nil,
      { argument in
        // SAFETY: the retained box of `start`, taken over once.
        unsafe Unmanaged<Box>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().body()
        return nil
      }, unsafe box.toOpaque())
    precondition(status == 0, "the system has no thread left")
    return WorkerThread(thread: thread)
  }

  /// Waits for its end. Once.
  package func join() { pthread_join(thread, nil) }
}
