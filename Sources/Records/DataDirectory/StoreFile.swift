package import Engine
import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, and a
// `stat` likewise.

/// A file that holds a part of a store's data.
package struct StoreFile: Equatable, Sendable {
  /// Without a folder.
  package let name: String
  /// Its size.
  package let bytes: UInt64

  package init(name: String, bytes: UInt64) {
    self.name = name
    self.bytes = bytes
  }

  /// No honest store has come to a file of this number: at a million files a second it takes 9 years.
  private static let numberLimit: UInt64 = 1 << 48

  /// The files of the store of `engine` in `directory` that hold its data, by their names. Blocks on disk I/O.
  ///
  /// - Throws: when something has the name of such a file and is none, or a number that no store gives: the engine
  ///   would take it for its own.
  package static func list(
    _ directory: String, of engine: EngineDescriptor
  ) throws(DatabaseError) -> [StoreFile] {
    guard let names = Folder.names(in: directory) else {
      throw .cannot("list", directory)
    }
    var files: [StoreFile] = []
    for name in names {
      guard let kind = engine.files.kind(of: name) else { continue }
      let path = directory + "/" + name
      var status = stat()
      guard unsafe stat(path, &status) == 0 else {
        // Removed meanwhile by a running server.
        if errno == ENOENT, unsafe lstat(path, &status) != 0 { continue }
        throw .cannot("read", path)
      }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw .dataDirectory(
          path: path,
          problem:
            "this is no file, but has the name of one of the store's. Move it away, or restore the file"
        )
      }
      if let number = kind.number, number == 0 || number >= numberLimit {
        throw .dataDirectory(
          path: path,
          problem: "no store gives a file this number, so it is not the store's. Move it away")
      }
      files.append(StoreFile(name: name, bytes: UInt64(clamping: status.st_size)))
    }
    return files
  }

  /// What a person reads of each difference between the files of a closed store and those there are now.
  package static func differences(then: [StoreFile], now: [StoreFile]) -> [String] {
    let present = Dictionary(now.map { ($0.name, $0.bytes) }) { first, _ in first }
    let known = Set(then.map(\.name))
    var differences: [String] = []
    for file in then {
      switch present[file.name] {
      case nil: differences.append("\(file.name) is missing (it had \(file.bytes) bytes)")
      case let bytes? where bytes != file.bytes:
        differences.append("\(file.name) has \(bytes) bytes (it had \(file.bytes))")
      default: break
      }
    }
    for file in now where !known.contains(file.name) {
      differences.append("\(file.name) was not there")
    }
    return differences
  }
}
