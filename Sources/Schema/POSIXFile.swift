import Glibc
import Platform

/// Whole-file reads and writes that report the `errno` and the path, and questions about paths.
///
/// Unsafe island: passes paths, which end with NUL, and a `stat` to system calls, which use them until they return.
package enum POSIXFile {
  /// A file's identity on this machine, whatever path leads to it.
  struct Identity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
  }

  /// Reads all of it; from a pipe, too.
  static func read(_ path: String) throws(SchemaError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .io(operation: "open", path: path, code: errno) }
    defer { close(descriptor) }
    do throws(SystemError) {
      return try SmallFile.contents(of: descriptor)
    } catch {
      throw .io(operation: "read", path: path, code: error.code)
    }
  }

  /// Writes all bytes to an open file.
  package static func write(
    _ bytes: [UInt8], to descriptor: Int32, path: String
  ) throws(SchemaError) {
    do throws(SystemError) {
      try SmallFile.write(bytes, to: descriptor)
    } catch {
      throw .io(operation: "write", path: path, code: error.code)
    }
  }

  /// Nil when there is no such file.
  static func identity(of path: String) -> Identity? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  /// What is there when it is not a file ("a folder", "a link"); nil for a file, and for nothing.
  package static func whatIsNoFile(_ path: String) -> String? {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return nil
    case S_IFDIR: return "a folder"
    case S_IFLNK: return "a link"
    default: return "no plain file"
    }
  }

  /// Whether a file is there, also behind a link.
  package static func isPlainFile(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The absolute path without links, `.` and `..`; nil when there is no such file.
  package static func resolved(_ path: String) -> String? {
    // SAFETY: realpath allocates its result when the buffer is nil; it is freed after the copy.
    guard let text = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }

  /// Splits at the last slash; the folder is `.` when there is none.
  package static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let name = String(path[path.utf8.index(after: slash)...])
    return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
  }
}
