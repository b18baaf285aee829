import Glibc

/// The names in a folder. Blocks on disk I/O.
// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns. A stream of names is
// closed once, and what it gives is copied before the next one.
package enum Folder {
  /// Makes the names in a folder durable.
  package static func sync<Failure: Error>(
    _ path: String, orThrow failure: (FileFailure) -> Failure
  ) throws(Failure) {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw failure(.system(action: "open", path: path, code: errno))
    }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw failure(.system(action: "fsync", path: path, code: errno))
    }
  }

  /// The names in a folder, sorted, without `.` and `..`; nil when it cannot be listed, for which `errno` has the
  /// reason.
  package static func names(in path: String) -> [String]? {
    guard let stream = unsafe opendir(path) else { return nil }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else { break }
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    let code = errno
    unsafe closedir(stream)
    errno = code
    return code == 0 ? names.sorted() : nil
  }
}
