import Glibc

// SAFETY: text ends with NUL; it and arrays are lent to a system call until that returns, within their count. A file is
// closed once, and not used afterwards.

/// A file that can be written, known before there is something to write.
struct OutputFile: Sendable {
  let path: String

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Makes sure that it can be written, and empties the one that is there.
  init(path: String) throws {
    self.path = path
    try replace(with: "")
  }

  /// Replaces the content, all or nothing: a reader never sees half of it.
  func replace(with text: String) throws {
    // Beside it, since only a rename within one directory is sure to be atomic.
    let draft = path + ".tmp"
    guard let file = unsafe fopen(draft, "we") else { throw failure() }
    let isWritten = unsafe fputs(text, file) >= 0
    guard unsafe fclose(file) == 0, isWritten, unsafe rename(draft, path) == 0 else {
      throw failure()
    }
  }

  private func failure() -> Failure {
    Failure(description: unsafe "cannot write \(path): \(String(cString: strerror(errno)))")
  }
}
