import Glibc

/// A file that can be written, known before there is something to write.
struct OutputFile {
  private let path: String
  private let file: Int32

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Creates it, or empties the one that is there.
  init(path: String) throws {
    self.path = path
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if file < 0 { throw failure() }
  }

  /// Writes `text` and closes it. Once.
  func write(_ text: String) throws {
    defer { close(file) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure() }
      rest = rest.dropFirst(written)
    }
  }

  private func failure() -> Failure {
    Failure(description: "cannot write \(path): \(String(cString: strerror(errno)))")
  }
}
