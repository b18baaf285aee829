package import Engine
import Glibc
import Platform
import Schema

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, and a
// `stat` likewise.

/// Where the files of an engine are, for tools that are given a data directory, or an engine's own one.
package struct StoreLocation: Equatable, Sendable {
  /// The one whose files they are.
  package let engine: EngineDescriptor
  /// The engine's directory.
  package let storePath: String
  /// Whether it was found by a data directory's marker.
  package let hasMarker: Bool
  /// The data directory; nil for an engine's own directory that is in none.
  package let dataDirectory: String?
  /// Whether the engine's own directory was given.
  package let isInnerFolder: Bool

  /// Looks at `path`; changes nothing.
  ///
  /// A data directory is told by its marker. Without one, or when the marker is damaged, the engine is told by the
  /// names of its files, in `path/store` and in `path` itself.
  ///
  /// - Parameter engines: those that this program knows.
  /// - Throws: when there is no store of one of them.
  package init(_ path: String, among engines: EngineList) throws(DatabaseError) {
    let path = Self.trimmed(path)
    let folder = path + "/store"
    do throws(DatabaseError) {
      if let marker = try DataDirectoryMarker(in: path) {
        guard let engine = engines.named(marker.engine) else {
          throw .unknownEngine(path: path, name: marker.engine)
        }
        if marker.format > 1, !marker.isStoreMade, Self.hasNothing(folder, of: engine) {
          throw .startUnfinished(path: path)
        }
        self.init(engine: engine, storePath: folder, hasMarker: true, dataDirectory: path)
        return
      }
    } catch .markerDamaged(let file) {
      guard let engine = Self.engine(in: folder, among: engines) else {
        throw .markerDamaged(path: file)
      }
      self.init(engine: engine, storePath: folder, hasMarker: false, dataDirectory: path)
      return
    }
    if let engine = Self.engine(in: path, among: engines) {
      self.init(
        engine: engine, storePath: path, hasMarker: false,
        dataDirectory: Self.dataDirectory(ofStore: path), isInnerFolder: true)
      return
    }
    if let engine = Self.engine(in: folder, among: engines) {
      self.init(engine: engine, storePath: folder, hasMarker: false, dataDirectory: path)
      return
    }
    var status = stat()
    guard unsafe stat(path, &status) == 0,
      unsafe status.st_mode & S_IFMT != S_IFDIR || access(path, R_OK) == 0
    else { throw .cannot("read", path) }
    throw .dataDirectory(
      path: path,
      problem:
        "neither a seandb data directory nor a store of one of its engines. Name the directory that a server has as --data"
    )
  }

  private init(
    engine: EngineDescriptor, storePath: String, hasMarker: Bool, dataDirectory: String?,
    isInnerFolder: Bool = false
  ) {
    self.isInnerFolder = isInnerFolder
    self.engine = engine
    self.storePath = storePath
    self.hasMarker = hasMarker
    self.dataDirectory = dataDirectory
  }

  private static func trimmed(_ path: String) -> String {
    var path = path
    while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  /// The data directory whose store `path` is; nil when it is no data directory's. In the words of `path`, where
  /// they name it.
  static func dataDirectory(ofStore path: String) -> String? {
    let path = trimmed(path)
    let (folder, name) = POSIXFile.split(path)
    var candidates: [String] = name == DataDirectory.storeName ? [folder] : []
    if let resolved = POSIXFile.resolved(path) {
      candidates.append(POSIXFile.split(resolved).folder)
    }
    return candidates.first { unsafe access($0 + "/" + DataDirectoryMarker.fileName, F_OK) == 0 }
  }

  /// Whether a store was not even begun.
  private static func hasNothing(_ folder: String, of engine: EngineDescriptor) -> Bool {
    guard let names = Folder.names(in: folder) else {
      var status = stat()
      return unsafe lstat(folder, &status) != 0 && errno == ENOENT
    }
    return !names.contains(engine.files.current)
  }

  /// Whether there is a store, and none of another engine: a repair would make an empty one of it.
  ///
  /// - Throws: what is there instead.
  package func checkStore(among engines: EngineList) throws(DatabaseError) {
    guard let names = Folder.names(in: storePath) else {
      throw .storeLost(path: storePath, what: "is missing")
    }
    if names.isEmpty { throw .storeLost(path: storePath, what: "is empty") }
    let foreign = engines.tableSuffixes(besides: engine)
    guard let found = names.first(where: { name in foreign.contains { name.hasSuffix($0) } }) else {
      return
    }
    throw .dataDirectory(
      path: storePath,
      problem:
        "this is a store of another engine (it has \(found)), and not of \(engine.name). "
        + "Put the right store back")
  }

  /// The engine whose files a directory holds.
  private static func engine(
    in directory: String, among engines: EngineList
  ) -> EngineDescriptor? {
    Folder.names(in: directory).flatMap { engines.engine(ofStoreWith: $0) }
  }
}
