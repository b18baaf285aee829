import CLinux
import Glibc
import Synchronization

/// The operating system's files.
///
/// Every descriptor is opened with `O_CLOEXEC`; calls cut short by a signal (`EINTR`) and short reads and
/// writes go on where they stopped. An `fsync` that fails is never tried again: on Linux the second one
/// reports success for bytes that are gone (Rebello et al., "Can Applications Recover from fsync
/// Failures?", USENIX ATC 2020).
///
/// Unsafe island: C calls on descriptors and NUL-terminated paths. Invariants:
/// 1. A descriptor is owned by one object, and closed once, by it.
/// 2. Pointers and counts handed to C lie inside the buffer they came from.
package struct POSIXFileSystem: FileSystem {
  package init() {}

  /// open(2) with `O_CREAT | O_EXCL`.
  package func create(_ path: String) throws(LSMError) -> any WritableFile {
    let descriptor = try POSIX.open(path, O_RDWR | O_CREAT | O_EXCL, .create)
    return POSIXWritableFile(descriptor: descriptor, path: path)
  }

  /// open(2), fstat(2).
  package func open(_ path: String) throws(LSMError) -> any ReadableFile {
    let descriptor = try POSIX.open(path, O_RDONLY, .open)
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw POSIX.error(.open, path, code)
    }
    // open(2) takes a directory, and only a read tells.
    if status.st_mode & S_IFMT == S_IFDIR {
      Glibc.close(descriptor)
      throw POSIX.error(.open, path, EISDIR)
    }
    return POSIXReadableFile(
      descriptor: descriptor, size: UInt64(max(0, status.st_size)), path: path)
  }

  /// opendir(3), readdir(3).
  package func list(_ directory: String) throws(LSMError) -> [String] {
    guard let stream = unsafe opendir(directory) else { throw POSIX.error(.list, directory, errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        if errno != 0 { throw POSIX.error(.list, directory, errno) }
        return names
      }
      // SAFETY: d_name is NUL-terminated inside the entry, which stays valid until the next readdir.
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  /// stat(2).
  package func exists(_ path: String) throws(LSMError) -> Bool {
    var status = stat()
    if unsafe stat(path, &status) == 0 { return true }
    if errno == ENOENT { return false }
    throw POSIX.error(.inspect, path, errno)
  }

  /// rename(2).
  package func rename(_ from: String, to: String) throws(LSMError) {
    guard unsafe Glibc.rename(from, to) == 0 else { throw POSIX.error(.rename, from, errno) }
  }

  /// unlink(2).
  package func remove(_ path: String) throws(LSMError) {
    guard unsafe unlink(path) == 0 else { throw POSIX.error(.remove, path, errno) }
  }

  /// link(2).
  package func link(_ from: String, to: String) throws(LSMError) {
    guard unsafe Glibc.link(from, to) == 0 else { throw POSIX.error(.link, to, errno) }
  }

  /// mkdir(2), for the owner and readable by others as the umask says.
  package func createDirectory(_ path: String) throws(LSMError) {
    guard unsafe mkdir(path, 0o777) == 0 else { throw POSIX.error(.createDirectory, path, errno) }
  }

  /// fsync(2) on the directory.
  package func syncDirectory(_ path: String) throws(LSMError) {
    let descriptor = try POSIX.open(path, O_RDONLY | O_DIRECTORY, .syncDirectory)
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw POSIX.error(.syncDirectory, path, errno) }
  }

  /// fsync(2); a read-only descriptor is enough on Linux.
  package func sync(_ path: String) throws(LSMError) {
    let descriptor = try POSIX.open(path, O_RDONLY, .sync)
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw POSIX.error(.sync, path, errno) }
  }

  /// flock(2), exclusive, without waiting. It holds between processes and inside one.
  package func lock(_ path: String) throws(LSMError) -> any FileLock {
    let descriptor = try POSIX.open(path, O_RDWR | O_CREAT, .lock)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      if code == EINTR { continue }
      Glibc.close(descriptor)
      if code == EWOULDBLOCK { throw .lockHeld(path: path) }
      throw POSIX.error(.lock, path, code)
    }
    return POSIXFileLock(descriptor: descriptor)
  }
}

/// What the wrappers share.
private enum POSIX {
  static func error(_ operation: FileOperation, _ path: String, _ code: Int32) -> LSMError {
    let failure = LSMError.Failure(operation, path: path, code: code)
    return switch code {
    case ENOSPC, EDQUOT: .noSpace(failure)
    case ENOENT: .notFound(failure)
    case EEXIST: .alreadyExists(failure)
    default: .io(failure)
    }
  }

  static func open(
    _ path: String, _ flags: Int32, _ operation: FileOperation
  ) throws(LSMError) -> Int32 {
    while true {
      let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o644)
      if descriptor >= 0 { return descriptor }
      if errno != EINTR { throw error(operation, path, errno) }
    }
  }
}

private final class POSIXWritableFile: WritableFile {
  // SAFETY: confined by the protocol: one caller at a time. Invariant 1: -1 once closed.
  @safe private nonisolated(unsafe) var descriptor: Int32
  @safe private nonisolated(unsafe) var end: UInt64 = 0
  @safe private nonisolated(unsafe) var zeroedEnd: UInt64 = 0
  @safe private nonisolated(unsafe) var writebackEnd: UInt64 = 0
  private let path: String

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  var size: UInt64 { end }

  /// pwrite(2).
  @safe
  func append(_ bytes: UnsafeRawBufferPointer) throws(LSMError) {
    try write(bytes, at: end, .write)
    end += UInt64(bytes.count)
  }

  /// pwrite(2) of zeros: blocks that fallocate(2) reserves cost a journal commit at their first write.
  ///
  /// A page at a time: ext4 caches a longer write in folios of up to its length, and a later append of some
  /// bytes then dirties, by the kernel's counters and limits, its whole folio.
  func preallocate(_ bytes: UInt64) throws(LSMError) {
    let pageBytes: UInt64 = 4 << 10
    let target = end + bytes
    var at = max(end, zeroedEnd)
    let zeros = [UInt8](repeating: 0, count: Int(pageBytes))
    while at < target {
      let count = Int(min(pageBytes - at % pageBytes, target - at))
      var failure: LSMError?
      zeros.withBytes { buffer in
        do throws(LSMError) {
          try unsafe write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: at, .preallocate)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      at += UInt64(count)
      zeroedEnd = at
    }
  }

  @safe
  private func write(
    _ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ operation: FileOperation
  ) throws(LSMError) {
    guard descriptor >= 0 else { throw .closed(path: path) }
    var written = 0
    while written < bytes.count {
      // SAFETY: invariant 2; `written` is below `count`.
      let count = unsafe pwrite(
        descriptor, bytes.baseAddress.unsafelyUnwrapped + written, bytes.count - written,
        off_t(offset) + off_t(written))
      if count > 0 {
        written += count
      } else if count == 0 || errno != EINTR {
        throw POSIX.error(operation, path, count == 0 ? EIO : errno)
      }
    }
  }

  /// ftruncate(2).
  func truncate(to size: UInt64) throws(LSMError) {
    guard descriptor >= 0 else { throw .closed(path: path) }
    while ftruncate(descriptor, off_t(size)) != 0 {
      if errno != EINTR { throw POSIX.error(.truncate, path, errno) }
    }
    end = size
    zeroedEnd = min(zeroedEnd, size)
    writebackEnd = min(writebackEnd, size)
  }

  /// sync_file_range(2), without waiting; its errors are those of the next sync.
  func startWriteback() {
    guard descriptor >= 0, end > writebackEnd else { return }
    _ = linux_start_writeback(
      descriptor, Int64(writebackEnd), Int64(end - writebackEnd))
    writebackEnd = end
  }

  /// fdatasync(2); it covers a changed file size too.
  func sync() throws(LSMError) {
    guard descriptor >= 0 else { throw .closed(path: path) }
    guard fdatasync(descriptor) == 0 else { throw POSIX.error(.sync, path, errno) }
  }

  /// close(2), which gives the descriptor back on Linux even when it reports an error.
  func close() throws(LSMError) {
    guard descriptor >= 0 else { return }
    let closing = descriptor
    descriptor = -1
    guard Glibc.close(closing) == 0 || errno == EINTR else {
      throw POSIX.error(.close, path, errno)
    }
  }
}

private final class POSIXReadableFile: ReadableFile {
  /// Invariant 1: -1 once closed.
  private let descriptor: Atomic<Int32>
  private let path: String
  let size: UInt64

  init(descriptor: Int32, size: UInt64, path: String) {
    self.descriptor = Atomic(descriptor)
    self.size = size
    self.path = path
  }

  deinit { close() }

  /// pread(2).
  @safe
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(LSMError) {
    let descriptor = descriptor.load(ordering: .relaxed)
    guard descriptor >= 0 else { throw .closed(path: path) }
    guard offset <= UInt64(Int64.max) - UInt64(buffer.count) else {
      throw truncated(buffer, offset, 0)
    }
    var done = 0
    while done < buffer.count {
      // SAFETY: invariant 2; `done` is below `count`.
      let count = unsafe pread(
        descriptor, buffer.baseAddress.unsafelyUnwrapped + done, buffer.count - done,
        off_t(offset) + off_t(done))
      if count > 0 {
        done += count
      } else if count == 0 {
        throw truncated(buffer, offset, done)
      } else if errno != EINTR {
        throw POSIX.error(.read, path, errno)
      }
    }
  }

  /// preadv2(2) with `RWF_NOWAIT`, once: a short read is one whose rest is on the disk.
  @safe
  func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
    let descriptor = descriptor.load(ordering: .relaxed)
    guard descriptor >= 0, let begin = buffer.baseAddress,
      offset <= UInt64(Int64.max) - UInt64(buffer.count)
    else { return false }
    // SAFETY: invariant 2.
    let count = unsafe linux_read_cached(descriptor, begin, UInt(buffer.count), Int64(offset))
    return count == buffer.count
  }

  /// posix_fadvise(2).
  func expectRandomReads() { advise(0, 0, POSIX_FADV_RANDOM) }

  /// posix_fadvise(2).
  func prefetch(_ byteCount: UInt64, at offset: UInt64) {
    advise(Int(clamping: offset), Int(clamping: byteCount), POSIX_FADV_WILLNEED)
  }

  private func advise(_ offset: Int, _ byteCount: Int, _ advice: Int32) {
    let descriptor = descriptor.load(ordering: .relaxed)
    if descriptor >= 0 { _ = posix_fadvise(descriptor, offset, byteCount, advice) }
  }

  @safe
  private func truncated(
    _ buffer: UnsafeMutableRawBufferPointer, _ offset: UInt64, _ done: Int
  ) -> LSMError {
    .corruption(
      LSMError.Damage(
        path: path, offset: offset,
        .truncated(field: "a read", needed: UInt64(buffer.count), available: UInt64(done))))
  }

  /// close(2).
  func close() {
    let closing = descriptor.exchange(-1, ordering: .relaxed)
    if closing >= 0 { Glibc.close(closing) }
  }
}

private final class POSIXFileLock: FileLock {
  private let descriptor: Int32

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// flock(2) with `LOCK_UN`, then close(2). Closing alone would leave the lock with a child process that was
  /// forked meanwhile and has not called exec yet.
  deinit {
    flock(descriptor, LOCK_UN)
    Glibc.close(descriptor)
  }
}
