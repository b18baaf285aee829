import Glibc
import Platform

extension DatabaseError {
  /// What a person reads of a file of a data directory that was not read or written.
  init(_ failure: FileFailure) {
    switch failure {
    case .system(let action, let path, let code):
      self = .dataDirectory(
        path: path, problem: "cannot \(action) it: \(FileTrouble.sentences(for: code, at: path))")
    case .notAFile(let path):
      self = .dataDirectory(
        path: path, problem: "this is no file. Move it away, and put the file back that was there")
    }
  }

  /// After a system call that failed, as `errno` says. `action` completes `cannot … it`.
  static func cannot(_ action: String, _ path: String) -> DatabaseError {
    DatabaseError(.system(action: action, path: path, code: errno))
  }
}
