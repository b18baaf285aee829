package import Engine
import Glibc

/// The file `SEANDB` of a data directory: which format and which engine it has, and whether its store was made.
///
///     seandb data directory
///     format 2
///     engine lsm
///     store made
///
/// The last line comes once the store holds a catalogue and the commit mark is there. From then on a store or a
/// mark that is missing is a loss, and nothing is made in its place. Format 1 had no such line and no mark.
package struct DataDirectoryMarker: Equatable, Sendable {
  package static let fileName = "SEANDB"
  package static let formatVersion = 2
  private static let madeLine = "store made"

  /// As the marker spells it; an engine of a newer program may be unknown to this one.
  package let engine: String
  package let format: Int
  /// Whether there must be a store. Of format 1 it is not known.
  package let isStoreMade: Bool

  package init(engine: EngineKind, isStoreMade: Bool) {
    self.engine = engine.rawValue
    format = Self.formatVersion
    self.isStoreMade = isStoreMade
  }

  var text: String {
    "seandb data directory\nformat \(format)\nengine \(engine)\n"
      + (isStoreMade ? Self.madeLine + "\n" : "")
  }

  /// Reads the marker in the data directory `path`; nil when there is none. Changes nothing.
  package init?(in path: String) throws(ServerError) {
    let file = path + "/" + Self.fileName
    guard let bytes = try SmallFile.read(file, limitBytes: 4096) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    guard lines.count >= 3, lines[0] == "seandb data directory", lines[1].hasPrefix("format "),
      lines[2].hasPrefix("engine ")
    else { throw .markerDamaged(path: file) }
    let version = String(lines[1].dropFirst("format ".count))
    guard let format = Int(version), (1...Self.formatVersion).contains(format) else {
      throw .newerFormat(path: path, version: version)
    }
    self.format = format
    engine = String(lines[2].dropFirst("engine ".count))
    isStoreMade = lines.dropFirst(3).first == Self.madeLine
    // A marker that was cut short must not read as one without the line.
    guard format == 1 || bytes == Array(text.utf8) else { throw .markerDamaged(path: file) }
  }
}
