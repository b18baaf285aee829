import Engine
import Glibc

/// A data directory held by this process.
///
///     DIR/LOCK     flock'ed while a process has the directory; holds its process id
///     DIR/SEANDB   marker, three lines: `seandb data directory`, `format 1`, `engine rocksdb`
///     DIR/store/   the engine's own files
///
/// The marker is written before the engine makes its first file, whole or not at all (temporary file,
/// fsync, rename, fsync of the directory).
///
/// Thread-safety: constant after init. The lock goes with the last reference, or with the process.
final class DataDirectory: Sendable {
  let path: String
  /// Where the engine keeps its files.
  var storePath: String { path + "/store" }
  private let lock: Int32

  /// Creates or opens the directory and locks it.
  init(path: String, engine: EngineKind, mayCreate: Bool) throws(ServerError) {
    self.path = path
    if !mayCreate && access(path, F_OK) != 0 { throw .noSchema(path: path) }
    try Self.create(path)
    if access(path + "/SEANDB", F_OK) != 0 { try Self.refuseForeignFiles(in: path) }
    let descriptor = open(path + "/LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw .dataDirectory(path: path, problem: Self.problem("open LOCK in it"))
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let problem = Self.problem("lock it")
      close(descriptor)
      throw isHeld ? .directoryInUse(path: path) : .dataDirectory(path: path, problem: problem)
    }
    lock = descriptor
    ftruncate(descriptor, 0)
    let process = Array("\(getpid())\n".utf8)
    _ = write(descriptor, process, process.count)
    // From here on a throw runs deinit: every stored property is set.
    try checkMarker(engine)
  }

  // Unlocked by hand: a child process forked meanwhile may hold the descriptor for a moment longer.
  deinit {
    flock(lock, LOCK_UN)
    close(lock)
  }

  /// Creates the directory and those it lies in.
  private static func create(_ path: String) throws(ServerError) {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    let parent = parent(of: path)
    guard errno == ENOENT, parent != path else {
      throw .dataDirectory(path: path, problem: problem("create it"))
    }
    try create(parent)
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw .dataDirectory(path: path, problem: problem("create it"))
    }
    try sync(directory: self.parent(of: parent))
  }

  private static func problem(_ action: String) -> String {
    "cannot \(action): \(String(cString: strerror(errno)))"
  }

  // MARK: - Marker

  private func checkMarker(_ engine: EngineKind) throws(ServerError) {
    guard let marker = try DataDirectoryMarker(in: path) else { return try writeMarker(engine) }
    guard marker.engine == engine.rawValue else {
      throw .wrongEngine(path: path, has: marker.engine, wanted: engine.rawValue)
    }
  }

  /// A directory with files of somebody else is never made a database.
  private static func refuseForeignFiles(in path: String) throws(ServerError) {
    guard let stream = opendir(path) else {
      throw .dataDirectory(path: path, problem: problem("list it"))
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard [".", "..", "LOCK", "SEANDB.tmp", "lost+found"].contains(name) else {
        throw .dataDirectory(
          path: path,
          problem:
            "not a seandb data directory, and not empty (it has \(name)); choose another with --data"
        )
      }
    }
  }

  private func writeMarker(_ engine: EngineKind) throws(ServerError) {
    let text = Array(DataDirectoryMarker(engine: engine).text.utf8)
    let temporary = path + "/SEANDB.tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    let isWritten =
      descriptor >= 0 && write(descriptor, text, text.count) == text.count && fsync(descriptor) == 0
    let problem = Self.problem("write SEANDB in it")
    if descriptor >= 0 { close(descriptor) }
    guard isWritten else { throw .dataDirectory(path: path, problem: problem) }
    guard rename(temporary, path + "/SEANDB") == 0 else {
      throw .dataDirectory(path: path, problem: Self.problem("rename SEANDB.tmp in it"))
    }
    try Self.sync(directory: path)
    try Self.sync(directory: Self.parent(of: path))
  }

  /// Makes the entries of the directory durable, that of the engine's folder among them. To be called
  /// before the first write is acknowledged.
  func sync() throws(ServerError) { try Self.sync(directory: path) }

  private static func sync(directory: String) throws(ServerError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      let problem = problem("fsync it")
      if descriptor >= 0 { close(descriptor) }
      throw .dataDirectory(path: directory, problem: problem)
    }
    close(descriptor)
  }

  private static func parent(of path: String) -> String {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}
