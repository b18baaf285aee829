import Glibc

// SAFETY: a path, which ends with NUL, and an array are lent to a system call until that returns. A folder is closed
// once, and an entry of it is copied before the next one.

/// A folder of its own under the system's temporary directory; removed with everything in it.
package final class TemporaryFolder: Sendable {
  package let path: String

  package struct Failure: Error {
    let operation: String
    let code: Int32
  }

  package init() throws {
    var template = Array("/tmp/seandb-test-XXXXXX".utf8CString)
    guard let made = unsafe mkdtemp(&template) else {
      throw Failure(operation: "mkdtemp", code: errno)
    }
    path = unsafe String(cString: made)
  }

  deinit { remove(path) }

  /// Writes a file, making the folders on its way; returns its path.
  @discardableResult
  package func write(_ name: String, _ text: String) throws -> String {
    let target = path + "/" + name
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/" + part
      unsafe mkdir(folder, 0o755)
    }
    let descriptor = unsafe open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure(operation: "open \(target)", code: errno) }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw Failure(operation: "write \(target)", code: errno)
    }
    return target
  }

  /// The text of a file, of at most a megabyte.
  package static func read(_ path: String) throws -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(operation: "open \(path)", code: errno) }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw Failure(operation: "read \(path)", code: errno) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  private func remove(_ path: String) {
    if let stream = unsafe opendir(path) {
      var names: [String] = []
      while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
          unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
      }
      unsafe closedir(stream)
      for name in names {
        let child = path + "/" + name
        var status = stat()
        if unsafe lstat(child, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
          remove(child)
        } else {
          unsafe unlink(child)
        }
      }
    }
    unsafe rmdir(path)
  }
}
