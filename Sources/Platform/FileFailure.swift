/// Why a file or a folder was not read or written.
package enum FileFailure: Error, Equatable {
  /// A system call failed: `action` is what was to be done, a verb that fits into `cannot … PATH`, and `code` its
  /// `errno`.
  case system(action: String, path: String, code: Int32)
  /// What is there is something else, such as a folder.
  case notAFile(path: String)
}

/// A system call on an open file that failed.
package struct SystemError: Error, Equatable {
  /// Its `errno`.
  package let code: Int32
}
