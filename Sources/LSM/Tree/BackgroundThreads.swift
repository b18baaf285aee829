import Glibc

/// Threads of the tree's own: flush and compaction block on the disk for long, and have no place in a pool
/// that others wait for.
///
/// Thread-safety: `start` and `join` by one caller, in this order.
///
/// Unsafe island: a thread takes its work by an unmanaged reference. Invariant: each reference is retained
/// once by ``start(count:_:)`` and released once, by the thread itself.
final class BackgroundThreads: Sendable {
  private let threads = Monitor<[pthread_t]>([])

  private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  func start(count: Int, _ body: @escaping @Sendable () -> Void) {
    for _ in 0..<count {
      let work = unsafe Unmanaged.passRetained(Work(body))
      var thread = pthread_t()
      let status = unsafe pthread_create(
        &thread, nil,
        { argument in
          // SAFETY: the invariant; `argument` is what was passed below.
          guard let argument = unsafe argument else { return nil }
          unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
          return nil
        }, unsafe work.toOpaque())
      guard status == 0 else { fatalError("no thread for background work: error \(status)") }
      threads.withLock { $0.append(thread) }
    }
  }

  /// Waits for all of them to end.
  func join() {
    let all = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for thread in all { pthread_join(thread, nil) }
  }
}
