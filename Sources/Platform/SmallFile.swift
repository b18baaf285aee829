import Glibc

/// Small files, read and replaced whole. Blocks on disk I/O.
///
/// Each call that names a file takes `orThrow`, which makes the caller's own error of a ``FileFailure``.
///
/// Unsafe island: passes bytes of arrays to `read` and `write` inside their `withUnsafe…` scopes, and paths, which end
/// with NUL, and a `stat` to system calls, which use them until they return.
package enum SmallFile {
  /// What the names of files end with that are being written by ``replace(_:in:with:orThrow:)``.
  package static let temporarySuffix = ".tmp"

  /// Reads at most `limitBytes`; nil when there is no such file.
  package static func read<Failure: Error>(
    _ path: String, limitBytes: Int, orThrow failure: (FileFailure) -> Failure
  ) throws(Failure) -> [UInt8]? {
    // Not waiting for a writer, should it be a pipe.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw failure(.system(action: "read", path: path, code: errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw failure(.notAFile(path: path))
    }
    do throws(SystemError) {
      return try contents(of: descriptor, limitBytes: limitBytes)
    } catch {
      throw failure(.system(action: "read", path: path, code: error.code))
    }
  }

  /// Puts `bytes` in place of the file, durably: whole or not at all, whatever happens meanwhile (a temporary
  /// file, fsync, rename, fsync of the directory).
  package static func replace<Failure: Error>(
    _ name: String, in directory: String, with bytes: [UInt8],
    orThrow failure: (FileFailure) -> Failure
  ) throws(Failure) {
    let path = directory + "/" + name
    let temporary = path + temporarySuffix
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw failure(.system(action: "write", path: temporary, code: errno))
    }
    do throws(SystemError) {
      defer { close(descriptor) }
      try write(bytes, to: descriptor)
      guard fsync(descriptor) == 0 else { throw SystemError(code: errno) }
      guard unsafe rename(temporary, path) == 0 else { throw SystemError(code: errno) }
    } catch {
      unsafe unlink(temporary)
      throw failure(.system(action: "write", path: path, code: error.code))
    }
    try Folder.sync(directory, orThrow: failure)
  }

  // MARK: - Open files

  /// Opens a file to append to, or makes it, for its owner alone.
  /// - Returns: the descriptor, for ``close(_:)``.
  package static func openToAppend<Failure: Error>(
    _ path: String, orThrow failure: (FileFailure) -> Failure
  ) throws(Failure) -> Int32 {
    let descriptor = unsafe open(
      path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else {
      throw failure(.system(action: "open", path: path, code: errno))
    }
    return descriptor
  }

  /// Closes an open file.
  package static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

  /// The bytes from where an open file is read on, at most `limitBytes`.
  package static func contents(
    of descriptor: Int32, limitBytes: Int = .max
  ) throws(SystemError) -> [UInt8] {
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while contents.count < limitBytes {
      let wanted = min(chunk.count, limitBytes - contents.count)
      // SAFETY: the buffer is the chunk's own, and at least as long as the count that is passed.
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress, wanted)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw SystemError(code: errno) }
      if count == 0 { break }
      contents += chunk[..<count]
    }
    return contents
  }

  /// Writes all bytes to an open file.
  package static func write(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      // SAFETY: `done` is below the array's count, so the range passed lies inside it.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw SystemError(code: count == 0 ? EIO : errno) }
      done += count
    }
  }
}
