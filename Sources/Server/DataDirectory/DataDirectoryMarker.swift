package import Engine
import Glibc

/// The file `SEANDB` of a data directory: which format and which engine it has.
///
///     seandb data directory
///     format 1
///     engine lsm
package struct DataDirectoryMarker: Equatable, Sendable {
  package static let fileName = "SEANDB"
  package static let formatVersion = "1"

  /// As the marker spells it; an engine of a newer program may be unknown to this one.
  package let engine: String

  package init(engine: EngineKind) { self.engine = engine.rawValue }

  var text: String { "seandb data directory\nformat \(Self.formatVersion)\nengine \(engine)\n" }

  /// Reads the marker in the data directory `path`; nil when there is none. Changes nothing.
  package init?(in path: String) throws(ServerError) {
    let file = path + "/" + Self.fileName
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw Self.unreadable(file)
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw Self.unreadable(file) }
    let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
      .map(String.init)
    guard lines.count >= 3, lines[0] == "seandb data directory", lines[1].hasPrefix("format "),
      lines[2].hasPrefix("engine ")
    else {
      throw .dataDirectory(
        path: file, problem: "not a seandb marker; restore it from a backup")
    }
    let format = String(lines[1].dropFirst("format ".count))
    guard format == Self.formatVersion else { throw .newerFormat(path: path, version: format) }
    engine = String(lines[2].dropFirst("engine ".count))
  }

  private static func unreadable(_ file: String) -> ServerError {
    .dataDirectory(
      path: file, problem: "cannot read the marker: \(String(cString: strerror(errno)))")
  }
}
