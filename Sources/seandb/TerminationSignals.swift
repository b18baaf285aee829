import Dispatch
import Glibc
import Server
import Synchronization

// SAFETY: the ends of the pipe and a byte are lent to a system call until that returns; the text of an error ends with
// NUL, and is copied before the next one.

/// SIGTERM and SIGINT: the first is awaited, the second ends the process at once. SIGHUP asks for files to be read
/// anew.
///
/// The handler stands as soon as ``install(withHangUp:)`` returns and writes the signal's number into a pipe, where it
/// waits for ``first(hangUp:)``: no moment is left in which a signal is lost.
enum TerminationSignals {
  private static let count = Atomic<Int>(0)
  private static let writeEnd = Atomic<Int32>(-1)
  private static let readEnd = Atomic<Int32>(-1)

  /// - Parameter withHangUp: SIGHUP does not end the process.
  /// - Throws: when the process has no file left for the pipe.
  static func install(withHangUp: Bool) throws(ServerError) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else {
      throw unsafe .noSignals(detail: String(cString: strerror(errno)))
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    readEnd.store(ends[0], ordering: .sequentiallyConsistent)
    writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
    // Initialised before a handler can run: a handler must not be the first to touch a lazy global.
    count.store(0, ordering: .sequentiallyConsistent)
    for number in [SIGTERM, SIGINT] { signal(number, handle) }
    if withHangUp { signal(SIGHUP, handle) }
  }

  /// Only what signal-safety(7) allows: atomics, `write`, `_exit`.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    if number != SIGHUP,
      TerminationSignals.count.add(1, ordering: .sequentiallyConsistent).oldValue > 0
    {
      // 128 + signal: what a shell reports for a process that the signal killed.
      _exit(128 + number)
    }
    var byte = UInt8(truncatingIfNeeded: number)
    _ = unsafe write(TerminationSignals.writeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
  }

  /// Waits for the first signal that ends the process.
  /// - Parameter hangUp: what SIGHUP asks for.
  static func first(hangUp: @escaping @Sendable () -> Void) async -> Int32 {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "seandb.signals").async {
        var byte: UInt8 = 0
        while true {
          let count = unsafe read(readEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
          if count < 0 && errno == EINTR { continue }
          guard count == 1, Int32(byte) == SIGHUP else { break }
          hangUp()
        }
        continuation.resume(returning: Int32(byte))
      }
    }
  }
}
