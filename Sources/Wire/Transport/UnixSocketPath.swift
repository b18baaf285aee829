import Glibc
import Synchronization

// SAFETY: addresses and a `stat` are lent until the system call returns, with their size; a path ends with NUL. The
// bytes of a path are copied into `sun_path` within its count.

/// The file of a Unix socket that this process listens on.
///
/// Servers take turns at the folder of a path (`flock`), so that of two that start at the same time one finds the
/// other: its socket is listened on before the next one looks.
///
/// Thread-safety: every call from any thread.
final class UnixSocketPath: Sendable {
  private let path: String
  private let isThere: Mutex<Bool>
  private let device: dev_t
  private let file: ino_t

  /// Binds `descriptor` to `path`, mode 0600, and has it listened on. A socket that nobody listens on any more is
  /// replaced; anything else at the path is an error.
  init(_ path: String, binding descriptor: CInt) throws(ListenError) {
    guard !path.isEmpty, path.utf8.count <= ListenAddress.maximumPathBytes else {
      throw ListenError(
        detail:
          "the path of a Unix socket has at most \(ListenAddress.maximumPathBytes) bytes; this one has "
          + "\(path.utf8.count)")
    }
    let folder = Self.lockFolder(of: path)
    defer { if folder >= 0 { close(folder) } }
    if try !Self.bind(descriptor, path) {
      try Self.removeStale(path)
      guard try Self.bind(descriptor, path) else { throw ListenError(errno: EADDRINUSE) }
    }
    // Nobody can connect before the listen: no moment is left with the mode that bind gave it.
    var status = stat()
    guard unsafe chmod(path, 0o600) == 0, Glibc.listen(descriptor, 1024) == 0,
      unsafe lstat(path, &status) == 0
    else {
      let failure = ListenError(errno: errno)
      unsafe unlink(path)
      throw failure
    }
    self.path = path
    (device, file) = (status.st_dev, status.st_ino)
    isThere = Mutex(true)
  }

  /// Removes the file, unless another one has taken its place. Safe to call twice.
  func remove() {
    isThere.withLock { isThere in
      guard isThere else { return }
      isThere = false
      var status = stat()
      guard unsafe lstat(path, &status) == 0, status.st_dev == device, status.st_ino == file else {
        return
      }
      unsafe unlink(path)
    }
  }

  /// -1 where the folder cannot be read: then nobody waits.
  private static func lockFolder(of path: String) -> CInt {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor >= 0 { _ = flock(descriptor, LOCK_EX) }
    return descriptor
  }

  /// False when something is there.
  private static func bind(_ descriptor: CInt, _ path: String) throws(ListenError) -> Bool {
    guard unsafe withAddress(path, { unsafe Glibc.bind(descriptor, $0, $1) }) != 0 else {
      return true
    }
    guard errno == EADDRINUSE else { throw ListenError(errno: errno) }
    return false
  }

  private static func removeStale(_ path: String) throws(ListenError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw ListenError(errno: errno)
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw ListenError(detail: "what is there is no socket")
    }
    let probe = Glibc.socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw ListenError(errno: errno) }
    defer { close(probe) }
    guard unsafe withAddress(path, { unsafe connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED
    else {
      throw ListenError(detail: "another server listens on it")
    }
    unsafe unlink(path)
  }

  /// - Parameter path: at most ``ListenAddress/maximumPathBytes``.
  private static func withAddress(
    _ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> CInt
  ) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      unsafe room.copyBytes(from: path.utf8.prefix(ListenAddress.maximumPathBytes))
    }
    return unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
