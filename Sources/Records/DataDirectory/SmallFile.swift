import Glibc
import Platform

/// Small files of the data directory, read and replaced whole. Blocks on disk I/O.
///
/// Unsafe island: passes bytes of arrays to `read` and `write` inside their `withUnsafe…` scopes, and paths, which end
/// with NUL, and a `stat` to system calls, which use them until they return. A stream of names is closed once, and what
/// it gives is copied before the next one.
enum SmallFile {
  /// Reads at most `limitBytes`; nil when there is no such file.
  static func read(_ path: String, limitBytes: Int) throws(DatabaseError) -> [UInt8]? {
    // Not waiting for a writer, should it be a pipe.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw failure("read", path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .dataDirectory(
        path: path, problem: "this is no file. Move it away, and put the file back that was there")
    }
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while contents.count < limitBytes {
      // SAFETY: the buffer is the chunk's own and as long as the count that is passed.
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure("read", path) }
      if count == 0 { break }
      contents += chunk[..<count]
    }
    return contents
  }

  /// Puts `bytes` in place of the file, durably: whole or not at all, whatever happens meanwhile (a temporary
  /// file, fsync, rename, fsync of the directory).
  static func replace(_ name: String, in directory: String, with bytes: [UInt8])
    throws(DatabaseError)
  {
    let path = directory + "/" + name
    let temporary = path + temporarySuffix
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("write", temporary) }
    var isWritten = true
    var done = 0
    while done < bytes.count, isWritten {
      // SAFETY: `done` is below the array's count, so the range passed lies inside it.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe write(descriptor, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      isWritten = count > 0
      done += max(count, 0)
    }
    isWritten = isWritten && fsync(descriptor) == 0
    let problem = failure("write", path)
    close(descriptor)
    guard isWritten else {
      unsafe unlink(temporary)
      throw problem
    }
    guard unsafe rename(temporary, path) == 0 else {
      let problem = failure("write", path)
      unsafe unlink(temporary)
      throw problem
    }
    try sync(directory: directory)
  }

  /// What the names of files end with that are being written.
  static let temporarySuffix = ".tmp"

  /// Makes the names in a directory durable.
  static func sync(directory: String) throws(DatabaseError) {
    let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", directory) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("fsync", directory) }
  }

  /// The names in a directory, without `.` and `..`; nil when it cannot be listed.
  static func names(in directory: String) -> [String]? {
    guard let stream = unsafe opendir(directory) else { return nil }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        if errno != 0 { return nil }
        break
      }
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func failure(_ action: String, _ path: String) -> DatabaseError {
    let code = errno
    return .dataDirectory(
      path: path, problem: "cannot \(action) it: \(FileTrouble.sentences(for: code, at: path))")
  }
}
