import Glibc

// SAFETY: a path, which ends with NUL, and a `stat` are lent to a system call until that returns. A folder is closed
// once, and what the system hands out (an entry, a variable, the text of an error) is copied before the next call.

/// A directory for the engines' files, removed with all that is in it.
struct ScratchDirectory: Sendable {
  let path: String

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// `directory`, or where temporary files belong: /tmp is in memory on many systems, where an fsync costs nothing.
  static func parent(_ directory: String?) -> String {
    unsafe directory ?? getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/var/tmp"
  }

  /// Makes a new directory inside `parent`.
  init(in parent: String) throws {
    var template = Array("\(parent)/seandb-bench.XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else {
      throw Failure(
        description:
          unsafe "cannot make a directory in \(parent): \(String(cString: strerror(errno))); "
          + "name another one by --directory")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes the directory `name` in it, if it is there.
  func remove(_ name: String) { Self.removeTree(path + "/" + name) }

  /// Removes it. Again and again for a while, since threads of an engine may still add files.
  func remove() {
    for _ in 0..<1000 {
      Self.removeTree(path)
      if unsafe access(path, F_OK) != 0 { return }
    }
  }

  private static func removeTree(_ path: String) {
    visit(path) { path, status in
      if status.st_mode & S_IFMT == S_IFDIR { unsafe rmdir(path) } else { unsafe unlink(path) }
    }
    unsafe rmdir(path)
  }

  /// The names of what is in `directory`.
  static func names(in directory: String) -> [String] {
    var names: [String] = []
    visit(directory) { path, _ in names.append(String(path.dropFirst(directory.count + 1))) }
    return names
  }

  /// Bytes that the files below `path` take on the disk: allocated, not their lengths.
  static func allocatedBytes(of path: String) -> UInt64 {
    var total: UInt64 = 0
    visit(path) { _, status in total += UInt64(clamping: status.st_blocks) * 512 }
    return total
  }

  /// Visits what is below `path`, a directory after what is in it. Symbolic links are not followed.
  private static func visit(_ path: String, _ body: (String, stat) -> Void) {
    guard let stream = unsafe opendir(path) else { return }
    defer { unsafe closedir(stream) }
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != ".", name != ".." else { continue }
      let child = path + "/" + name
      var status = stat()
      guard unsafe lstat(child, &status) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR { visit(child, body) }
      body(child, status)
    }
  }
}
