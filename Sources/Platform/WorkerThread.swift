import CLinux
import Glibc
import Synchronization

/// A thread of its own, for work that blocks for long and has no place in a pool that others wait for.
///
/// Thread-safety: `start` and `join` once, in this order.
///
/// Unsafe island: the thread takes its work by an unmanaged reference. Invariant: the reference is retained once by
/// ``start(_:)`` and released once, by the thread itself.
package final class WorkerThread: Sendable {
  private let name: String
  private let thread = Mutex<pthread_t?>(nil)

  private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// - Parameter name: what `ps -L` and `top -H` show; at most 15 bytes of it.
  package init(name: String) { self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self) }

  /// Runs `body` on the thread.
  package func start(_ body: @escaping @Sendable () -> Void) {
    let work = unsafe Unmanaged.passRetained(
      Work { [name] in
        _ = unsafe linux_set_thread_name(name)
        body()
      })
    var created = pthread_t()
    let status = unsafe pthread_create(
      &created, nil,
      { argument in
        // SAFETY: the invariant; `argument` is what was passed below.
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, unsafe work.toOpaque())
    guard status == 0 else { fatalError("no thread \(name): error \(status)") }
    let handle = created
    thread.withLock { $0 = handle }
  }

  /// Waits for the end of `body`; returns at once when the thread was never started.
  package func join() {
    let handle = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let handle { pthread_join(handle, nil) }
  }
}
