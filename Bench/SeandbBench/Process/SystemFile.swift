import Glibc

// SAFETY: text ends with NUL; it and arrays are lent to a system call until that returns, within their count. A file is
// closed once, and not used afterwards.

/// Small text files of the kernel.
enum SystemFile {
  /// The file's text; nil when it cannot be read.
  static func read(_ path: String) -> String? {
    guard let file = unsafe fopen(path, "re") else { return nil }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 12)
    while case let count = unsafe fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Writes `text`; a failure is ignored.
  static func write(_ text: String, to path: String) {
    guard let file = unsafe fopen(path, "we") else { return }
    unsafe fputs(text, file)
    unsafe fclose(file)
  }

  /// The rest of the first line that begins with `prefix`, without the blanks around it.
  static func value(after prefix: String, in path: String) -> Substring? {
    guard let text = read(path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(prefix) {
      let rest = line.dropFirst(prefix.count).drop { $0 == " " || $0 == "\t" || $0 == ":" }
      return rest
    }
    return nil
  }

  /// The number after `prefix`; what follows the digits is ignored.
  static func number(after prefix: String, in path: String) -> UInt64? {
    guard let value = value(after: prefix, in: path) else { return nil }
    return UInt64(value.prefix { $0.isNumber })
  }
}
