package import Engine
import Glibc
import Platform

/// The file `SEANDB` of a data directory: which format and which engine it has, and which store was made for it.
///
///     seandb data directory
///     format 3
///     engine lsm
///     store 0f9a3c51d2784e6bb1c8a7f0259de3b4
///
/// The last line comes once the store holds a catalogue and the commit mark is there, and has the store's identity.
/// From then on a store or a mark that is missing is a loss, and nothing is made in its place. In format 2 the line was
/// `store made`: stores had no identity. Format 1 had no such line and no mark.
///
/// From format 3 on it is that of ``StoreFormat``, raised before the store gets what needs it: programs that know
/// nothing of it refuse the directory here, before they touch the store.
package struct DataDirectoryMarker: Equatable, Sendable {
  /// In the data directory.
  package static let fileName = "SEANDB"
  /// The newest that this program reads and writes.
  package static let formatVersion = StoreFormat.newest.markerFormat
  private static let storeWord = "store "

  /// As the marker spells it; an engine of a newer program may be unknown to this one.
  package let engine: String
  /// 1 to ``formatVersion``.
  package let format: Int
  /// Whether there must be a store. Of format 1 it is not known.
  package let isStoreMade: Bool
  /// Which store it must be; nil before it is made, and of an earlier format.
  package let identity: StoreIdentity?

  /// - Parameters:
  ///   - identity: nil before the store is made.
  ///   - format: what the store has, or is about to get.
  package init(engine: EngineDescriptor, identity: StoreIdentity?, format: StoreFormat) {
    self.engine = engine.name
    self.format = format.markerFormat
    isStoreMade = identity != nil
    self.identity = identity
  }

  var text: String {
    let store = identity.map(String.init(describing:)) ?? (isStoreMade ? "made" : nil)
    return "seandb data directory\nformat \(format)\nengine \(engine)\n"
      + (store.map { Self.storeWord + $0 + "\n" } ?? "")
  }

  /// Of a directory that must have a store, whichever it is: what format 2 said.
  static func textOfUnknownStore(_ engine: EngineDescriptor) -> String {
    "seandb data directory\nformat 2\nengine \(engine.name)\n\(storeWord)made\n"
  }

  /// Reads the marker in the data directory `path`; nil when there is none. Changes nothing.
  package init?(in path: String) throws(DatabaseError) {
    let file = path + "/" + Self.fileName
    guard let bytes = try SmallFile.read(file, limitBytes: 4096, orThrow: DatabaseError.init) else {
      return nil
    }
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
    let store = lines.dropFirst(3).first.flatMap { line in
      line.hasPrefix(Self.storeWord) ? line.dropFirst(Self.storeWord.count) : nil
    }
    identity = format < 3 ? nil : store.flatMap { StoreIdentity(text: $0) }
    isStoreMade = format == 2 ? store == "made" : identity != nil
    // A marker that was cut short must not read as one without the line.
    guard format == 1 || bytes == Array(text.utf8) else { throw .markerDamaged(path: file) }
  }
}
