package import Engine
import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, an array
// or a `stat` likewise.

/// A data directory held by this process.
///
///     DIR/LOCK       flock'ed while a process has the directory; holds its process id
///     DIR/SEANDB     the marker (``DataDirectoryMarker``)
///     DIR/COMMITTED  how far the store must reach (``CommitMark``)
///     DIR/store/     the engine's own files
///
/// The marker is written before the engine makes its first file.
///
/// Thread-safety: constant after init. The lock goes with the last reference, or with the process.
package final class DataDirectory: Sendable {
  static let storeName = "store"

  let path: String
  let engine: EngineDescriptor
  /// As it was found, or as it was written: nothing of the store is made yet then.
  let marker: DataDirectoryMarker
  /// Where the engine keeps its files.
  var storePath: String { path + "/" + Self.storeName }
  private let lock: Int32

  /// The engine that `path` has, or is going to have. Looks only: nothing is created.
  ///
  /// - Parameters:
  ///   - wanted: the engine asked for; nil follows the marker, or is the standard one in a new directory.
  ///   - mayCreate: whether a directory without a store is fine.
  package static func engine(
    of path: String, wanted: EngineDescriptor?, among engines: EngineList, mayCreate: Bool
  ) throws(DatabaseError) -> EngineDescriptor {
    var status = stat()
    if unsafe stat(path, &status) != 0 {
      let isLink = FileTrouble.target(ofLink: path) != nil
      guard unsafe stat(path, &status) != 0, errno == ENOENT, !isLink else {
        throw .cannot("use", path)
      }
      if !mayCreate { throw .noSchema(path: path) }
      return wanted ?? engines.standard
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .dataDirectory(
        path: path, problem: "this is a file, not a directory. Choose another with --data")
    }
    guard let marker = try DataDirectoryMarker(in: path) else {
      try refuseForeignFiles(in: path)
      if !mayCreate { throw .noSchema(path: path) }
      return wanted ?? engines.standard
    }
    guard let engine = engines.named(marker.engine) else {
      throw .unknownEngine(path: path, name: marker.engine)
    }
    guard wanted == nil || wanted == engine else {
      throw .wrongEngine(path: path, has: marker.engine, wanted: wanted?.name ?? "")
    }
    return engine
  }

  /// Creates or opens the directory and locks it.
  init(path: String, engine: EngineDescriptor) throws(DatabaseError) {
    self.path = path
    self.engine = engine
    try Self.create(path)
    if unsafe access(path + "/" + DataDirectoryMarker.fileName, F_OK) != 0 {
      try Self.refuseForeignFiles(in: path)
    }
    let descriptor = unsafe open(path + "/LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .cannot("open", path + "/LOCK") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let problem = DatabaseError.cannot("lock", path)
      close(descriptor)
      throw isHeld ? .directoryInUse(path: path) : problem
    }
    do throws(DatabaseError) {
      // Looked at again: another process may have made it until the lock was ours.
      if let found = try DataDirectoryMarker(in: path) {
        guard found.engine == engine.name else {
          throw .wrongEngine(path: path, has: found.engine, wanted: engine.name)
        }
        marker = found
      } else {
        marker = DataDirectoryMarker(engine: engine, identity: nil, format: .plain)
        try Self.write(marker, in: path)
      }
    } catch {
      close(descriptor)
      throw error
    }
    lock = descriptor
    ftruncate(descriptor, 0)
    let process = Array("\(getpid())\n".utf8)
    _ = unsafe Glibc.write(descriptor, process, process.count)
  }

  // Unlocked by hand: a child process forked meanwhile may hold the descriptor for a moment longer.
  deinit {
    flock(lock, LOCK_UN)
    close(lock)
  }

  /// Creates the directory and those it lies in.
  private static func create(_ path: String) throws(DatabaseError) {
    if unsafe mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    let parent = parent(of: path)
    guard errno == ENOENT, parent != path else { throw .cannot("create", path) }
    try create(parent)
    guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw .cannot("create", path)
    }
    try Folder.sync(self.parent(of: parent), orThrow: DatabaseError.init)
  }

  /// A directory with files of somebody else is never made a database.
  private static func refuseForeignFiles(in path: String) throws(DatabaseError) {
    guard let names = Folder.names(in: path) else { throw .cannot("list", path) }
    let own = ["LOCK", DataDirectoryMarker.fileName + SmallFile.temporarySuffix, "lost+found"]
    guard let foreign = names.first(where: { !own.contains($0) }) else { return }
    if names.contains(storeName) || names.contains(CommitMarkImage.fileName) {
      throw .markerMissing(path: path)
    }
    if let parent = StoreLocation.dataDirectory(ofStore: path) {
      throw .dataDirectory(
        path: path,
        problem: "this is the store inside of a data directory. Start with --data \(parent)")
    }
    throw .dataDirectory(
      path: path,
      problem: "not a seandb data directory, and not empty (it has \(foreign)). "
        + "Choose another with --data")
  }

  // MARK: - The store

  /// Whether the store must be there: a missing one is a loss then.
  var mustHaveStore: Bool { marker.isStoreMade || marker.format == 1 }

  /// Says that the store was made and has its mark, and which programs may open it. Does nothing when that is said
  /// already. Durable when it returns.
  func declareStoreMade(_ identity: StoreIdentity, _ format: StoreFormat) throws(DatabaseError) {
    let made = DataDirectoryMarker(engine: engine, identity: identity, format: format)
    guard try DataDirectoryMarker(in: path) != made else { return }
    try Self.write(made, in: path)
  }

  private static func write(_ marker: DataDirectoryMarker, in path: String) throws(DatabaseError) {
    try SmallFile.replace(
      DataDirectoryMarker.fileName, in: path, with: Array(marker.text.utf8),
      orThrow: DatabaseError.init)
    try Folder.sync(parent(of: path), orThrow: DatabaseError.init)
  }

  private static func parent(of path: String) -> String {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}
