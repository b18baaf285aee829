package import Engine
import Glibc

/// Where the files of an engine are, for tools that are given a data directory, or an engine's own one.
package struct StoreLocation: Equatable, Sendable {
  package let engine: EngineKind
  /// The engine's directory.
  package let storePath: String
  /// Whether it was found by a data directory's marker.
  package let hasMarker: Bool

  /// Looks at `path`; changes nothing.
  ///
  /// A data directory is told by its marker. Without one, or when the marker is damaged, the engine is told by the
  /// names of its files, in `path/store` and in `path` itself.
  ///
  /// - Throws: when there is no store of an engine that this program knows.
  package init(_ path: String) throws(ServerError) {
    let folder = path + "/store"
    do throws(ServerError) {
      if let marker = try DataDirectoryMarker(in: path) {
        guard let engine = EngineKind(rawValue: marker.engine) else {
          throw .dataDirectory(
            path: path,
            problem:
              "its engine is \(marker.engine), which this program does not know; use a newer seandb"
          )
        }
        self.init(engine: engine, storePath: folder, hasMarker: true)
        return
      }
    } catch .dataDirectory(let file, let problem) where file.hasSuffix("/SEANDB") {
      guard let engine = Self.engine(in: folder) else {
        throw .dataDirectory(path: file, problem: problem)
      }
      self.init(engine: engine, storePath: folder, hasMarker: false)
      return
    }
    for candidate in [path, folder] {
      guard let engine = Self.engine(in: candidate) else { continue }
      self.init(engine: engine, storePath: candidate, hasMarker: false)
      return
    }
    guard access(path, F_OK) == 0 else {
      throw .dataDirectory(path: path, problem: "there is no such directory")
    }
    throw .dataDirectory(
      path: path, problem: "neither a seandb data directory nor a store of one of its engines")
  }

  private init(engine: EngineKind, storePath: String, hasMarker: Bool) {
    self.engine = engine
    self.storePath = storePath
    self.hasMarker = hasMarker
  }

  /// The engine whose files a directory holds.
  private static func engine(in directory: String) -> EngineKind? {
    guard let stream = opendir(directory) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    if names.contains(where: { $0.hasSuffix(".table") }) { return .lsm }
    if names.contains(where: {
      $0.hasSuffix(".sst") || $0 == "IDENTITY" || $0.hasPrefix("OPTIONS-")
    }) {
      return .rocksdb
    }
    let isStore = names.contains { $0 == "CURRENT" || $0.hasPrefix("MANIFEST-") }
    return isStore ? .lsm : nil
  }
}
