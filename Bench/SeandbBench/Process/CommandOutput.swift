import Glibc

// SAFETY: text ends with NUL; it and arrays are lent to a system call until that returns, within their count. A file is
// closed once, and not used afterwards.

/// Short commands of the system.
enum CommandOutput {
  /// The first line that `command` prints, when it ends well and prints something.
  ///
  /// - Parameter command: for `sh -c`; what it says on stderr is not shown.
  static func firstLine(of command: String) -> String? {
    guard let pipe = unsafe popen("(\(command)) 2>/dev/null", "re") else { return nil }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 10)
    while case let count = unsafe fread(&chunk, 1, chunk.count, pipe), count > 0 {
      bytes += chunk[..<count]
    }
    guard unsafe pclose(pipe) == 0 else { return nil }
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
  }
}
