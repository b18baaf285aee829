import Glibc
import Platform

// SAFETY: a set of signals is lent to a system call until that returns.

/// Cleans up when the user ends the program early, child processes first.
///
/// SIGINT, SIGTERM and SIGHUP are blocked in every thread, those of the engines too, and taken by one thread which
/// waits for them: the clean-up is ordinary code and not a signal handler.
enum InterruptWatch {
  /// Starts to watch; a signal then kills all children, runs `cleanUp` and ends the process.
  /// - Precondition: called before another thread is started.
  static func start(cleanUp: @escaping @Sendable () -> Void) {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGINT)
    unsafe sigaddset(&signals, SIGTERM)
    unsafe sigaddset(&signals, SIGHUP)
    // A reader or server that has gone is an error of the write, not the end.
    signal(SIGPIPE, SIG_IGN)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    let watched = signals
    WorkerThread(name: "interrupts").start {
      var watched = watched
      var number: Int32 = 0
      unsafe sigwait(&watched, &number)
      // They would go on to write to what is cleaned up.
      ChildProcess.killAll()
      cleanUp()
      // 128 + signal: what a shell reports for a process that the signal killed.
      _exit(128 + number)
    }
  }
}
