package import Engine
package import Schema

/// Why a database does not open. Each description is what the user reads, with what to do.
package enum DatabaseError: Error {
  /// The data directory cannot be used.
  case dataDirectory(path: String, problem: String)
  /// Another process has the data directory.
  case directoryInUse(path: String)
  /// The data directory belongs to another engine.
  case wrongEngine(path: String, has: String, wanted: String)
  /// The data directory belongs to an engine that this program does not have.
  case unknownEngine(path: String, name: String)
  /// The marker was changed or cut.
  case markerDamaged(path: String)
  /// There is a store and no marker.
  case markerMissing(path: String)
  /// The commit mark was changed or cut.
  case markDamaged(path: String)
  /// There is a store and no commit mark.
  case markMissing(path: String)
  /// A first start ended before it had made a store.
  case startUnfinished(path: String)
  /// A store that was made is not there.
  case storeLost(path: String, what: String)
  /// Files of the store are others than when it was closed.
  case storeChanged(path: String, differences: [String])
  /// The store is of another data directory.
  case storeForeign(path: String)
  /// The store ends before the last change that was acknowledged.
  case storeBehind(path: String, last: UInt64, acknowledged: UInt64)
  /// The disk is full.
  case noRoom(path: String, bytes: UInt64, needed: UInt64)
  /// The directory was written by a newer seandb.
  case newerFormat(path: String, version: String)
  /// There is no schema: none was given and the directory has none.
  case noSchema(path: String)
  /// The new schema breaks what is stored.
  case schemaBreaks([Diagnostic])
  /// The schema stored in the directory cannot be read.
  case catalogueDamaged(path: String, detail: String)
  case engine(EngineError)
}

extension DatabaseError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .dataDirectory(let path, let problem): "\(path): \(problem)"
    case .directoryInUse(let path):
      "\(path): another process has this data directory. Stop it, or choose another with --data"
    case .wrongEngine(let path, let has, let wanted):
      "\(path): this data directory belongs to the engine \(has), not \(wanted). "
        + "Start with --engine \(has), or without --engine, or choose another directory with --data"
    case .unknownEngine(let path, let name):
      "\(path): this data directory belongs to the engine \(name), which this program does not know. "
        + "Use a newer seandb"
    case .newerFormat(let path, let version):
      "\(path): it has format \(version), and this program knows formats up to "
        + "\(DataDirectoryMarker.formatVersion). Use a newer seandb"
    case .noRoom(let path, let bytes, let needed):
      "\(path): its disk has \(bytes >> 10) KiB left, and a start needs at least \(needed >> 10) KiB. Free space"
    case .noSchema(let path):
      "\(path): no schema is stored here yet. Name one: seandb serve SCHEMA.proto --data \(path)"
    case .schemaBreaks(let diagnostics):
      diagnostics.map(\.description).joined(separator: "\n")
        + "\nthe schema breaks records that are stored; nothing was changed. "
        + "Undo these changes, or start on an empty directory with --data"
    case .catalogueDamaged(let path, let detail):
      "\(path): the stored schema cannot be read (\(detail)). Restore the directory from a backup"
    case .engine(let error): "\(error)"
    case .markerDamaged(let path):
      "\(path): this is not the marker that was written. Restore the file from a backup, or have it written "
        + "anew: `seandb repair` with the data directory"
    case .markerMissing(let path):
      "\(path): there is a store here, and its marker (the file SEANDB) is missing. "
        + "Restore the file from a backup, or have it written anew: `seandb repair \(path)`"
    case .markDamaged(let path):
      "\(path): this is not what was written there. Restore the file, or take the store as it is: "
        + "`seandb repair` with the data directory"
    case .markMissing(let path):
      "\(path): the file COMMITTED is missing, which says how far the store must reach. Restore it, or take the "
        + "store as it is: `seandb repair \(path)`"
    case .startUnfinished(let path):
      "\(path): the first start was not finished, and no store is here yet. Start a server on it again, which "
        + "makes it"
    case .storeLost(let path, let what):
      "\(path) \(what), and a store was made here. Mount or restore it; to begin with an empty database, choose "
        + "another directory with --data"
    case .storeChanged(let path, let differences):
      "\(path)/\(DataDirectory.storeName) is not as it was left: \(Self.list(differences)). "
        + "Put it back as it was, or take the store as it is: `seandb repair \(path)`"
    case .storeForeign(let path):
      "\(path)/\(DataDirectory.storeName) is not the store that was made here, but another database's. Put the right one "
        + "back, or take this one as it is: `seandb repair \(path)`"
    case .storeBehind(let path, let last, let acknowledged):
      "\(path)/\(DataDirectory.storeName) ends with change \(last), and change \(acknowledged) was acknowledged: "
        + "a log is missing or was cut. Put it back, or take the store as it is: `seandb repair \(path)`"
    }
  }

  private static func list(_ parts: [String]) -> String {
    let shown = 3
    return parts.prefix(shown).joined(separator: ", ")
      + (parts.count > shown ? " and \(parts.count - shown) more" : "")
  }
}
