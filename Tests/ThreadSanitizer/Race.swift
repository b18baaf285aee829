import Glibc

// Not a part of any target: scripts/thread-sanitizer sees by it that races are found, and that the mutex beside it is
// seen to guard.

// SAFETY of `nonisolated(unsafe)`: it is what is tried. The pointer of a thread's argument is not used.

nonisolated(unsafe) private var unguarded = 0
private let guarded = Mutex(0)

/// Counts on two threads, with `guarded` as the argument under a mutex.
@main struct Race {
  static func main() {
    let isGuarded = CommandLine.arguments.contains("guarded")
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? =
      isGuarded
      ? { _ in
        for _ in 0..<1000 { guarded.withLock { $0 += 1 } }
        return nil
      }
      : { _ in
        for _ in 0..<1000 { unsafe unguarded += 1 }
        return nil
      }
    var threads = [pthread_t](repeating: 0, count: 2)
    for index in threads.indices { unsafe pthread_create(&threads[index], nil, body, nil) }
    for thread in threads { pthread_join(thread, nil) }
  }
}
