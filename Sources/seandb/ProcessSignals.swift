import Dispatch
import Glibc
import Server
import Synchronization

// SAFETY: the ends of the pipe and a byte are lent to a system call until that returns; the text of an error ends with
// NUL, and is copied before the next one.

/// SIGTERM and SIGINT, of which the second ends the process at once, and SIGHUP.
///
/// The handler stands as soon as ``install(reloads:)`` returns and writes the signal's number into a pipe, where it
/// waits for ``next()``: no moment is left in which a signal is lost.
enum ProcessSignals {
  private static let count = Atomic<Int>(0)
  /// The first signal that ends the process; 0 before. The pipe has it too, unless it is full of SIGHUPs.
  private static let termination = Atomic<Int32>(0)
  private static let writeEnd = Atomic<Int32>(-1)
  private static let readEnd = Atomic<Int32>(-1)

  /// - Parameter reloads: whether SIGHUP is one of ``next()``; else it ends the process.
  /// - Throws: when the process has no file left for the pipe.
  static func install(reloads: Bool) throws(ServerError) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else {
      throw unsafe .noSignals(detail: String(cString: strerror(errno)))
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    // A pipe full of SIGHUPs must not hold a thread up in the handler.
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    readEnd.store(ends[0], ordering: .sequentiallyConsistent)
    writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
    // Initialised before a handler can run: a handler must not be the first to touch a lazy global.
    count.store(0, ordering: .sequentiallyConsistent)
    termination.store(0, ordering: .sequentiallyConsistent)
    for number in [SIGTERM, SIGINT] + (reloads ? [SIGHUP] : []) { signal(number, handle) }
  }

  /// Only what signal-safety(7) allows: atomics, `write`, `_exit`.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    if number != SIGHUP, ProcessSignals.count.add(1, ordering: .sequentiallyConsistent).oldValue > 0
    {
      // 128 + signal: what a shell reports for a process that the signal killed.
      _exit(128 + number)
    }
    if number != SIGHUP {
      ProcessSignals.termination.store(number, ordering: .sequentiallyConsistent)
    }
    var byte = UInt8(truncatingIfNeeded: number)
    _ = unsafe write(ProcessSignals.writeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
  }

  /// Waits for the next signal.
  static func next() async -> Int32 {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "seandb.signals").async {
        var byte: UInt8 = 0
        while unsafe read(readEnd.load(ordering: .sequentiallyConsistent), &byte, 1) < 0
          && errno == EINTR
        {}
        let ending = termination.load(ordering: .sequentiallyConsistent)
        continuation.resume(returning: ending != 0 ? ending : Int32(byte))
      }
    }
  }
}
