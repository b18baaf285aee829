import Engine
import Glibc
import LSM
import Records
import Server

// SAFETY: the slice lends its bytes to the system call until that returns.

/// What the commands say: results on stdout, everything else on stderr.
enum Terminal {
  /// Exit code for a bad schema (sysexits' EX_DATAERR).
  static let badSchema: Int32 = 65
  static let failure: Int32 = 1
  /// Exit code for what could not be looked at just now (sysexits' EX_TEMPFAIL).
  static let tryAgain: Int32 = 75

  /// - Returns: whether all of the line was taken.
  @discardableResult
  static func say(_ line: String) -> Bool {
    write(line, to: STDOUT_FILENO)
  }

  static func warn(_ line: String) {
    write(line, to: STDERR_FILENO)
  }

  /// Ends the process.
  static func end(_ code: Int32) -> Never { exit(code) }

  /// Prints an error and ends the process.
  static func fail(_ message: String, code: Int32 = failure) -> Never {
    warn("error: " + message)
    exit(code)
  }

  /// Ends the process with an engine's error: a store that changes too fast is no failure of the store.
  static func fail(_ error: EngineError) -> Never {
    if case .busy = error { fail("\(error)", code: tryAgain) }
    fail("\(error)")
  }

  static func fail(_ error: LSMError) -> Never {
    if case .changing = error { fail("\(error)", code: tryAgain) }
    fail("\(error)")
  }

  static func fail(_ error: DatabaseError) -> Never {
    if case .engine(let error) = error { fail(error) }
    fail("\(error)")
  }

  @discardableResult
  private static func write(_ line: String, to file: Int32) -> Bool {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
      let written = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(file, $0.baseAddress, $0.count)
      }
      if written < 0 && errno == EINTR { continue }
      // Nobody reads it any more.
      guard written > 0 else { return false }
      rest = rest.dropFirst(written)
    }
    return true
  }
}
