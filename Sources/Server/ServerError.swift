package import Engine
package import Schema

/// Why a server does not start. Each description is what the user reads, with what to do.
package enum ServerError: Error {
  /// The data directory cannot be used.
  case dataDirectory(path: String, problem: String)
  /// Another process has the data directory.
  case directoryInUse(path: String)
  /// The data directory belongs to another engine.
  case wrongEngine(path: String, has: String, wanted: String)
  /// The directory was written by a newer seandb.
  case newerFormat(path: String, version: String)
  /// There is no schema: none was given and the directory has none.
  case noSchema(path: String)
  /// The new schema breaks what is stored.
  case schemaBreaks([Diagnostic])
  /// The schema stored in the directory cannot be read.
  case catalogueDamaged(path: String, detail: String)
  case engine(EngineError)
  /// The address cannot be listened on.
  case cannotListen(address: String, detail: String)
  /// The process cannot set up its signal handling.
  case noSignals(detail: String)
}

extension ServerError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .dataDirectory(let path, let problem): "\(path): \(problem)"
    case .directoryInUse(let path):
      "\(path): another process has this data directory; stop it, or choose another with --data"
    case .wrongEngine(let path, let has, let wanted):
      "\(path): this data directory belongs to the engine \(has), not \(wanted); "
        + "start with --engine \(has), or choose another directory with --data"
    case .newerFormat(let path, let version):
      "\(path): the data directory has format \(version), this program knows format "
        + "\(DataDirectoryMarker.formatVersion); use a newer seandb"
    case .noSchema(let path):
      "\(path): no schema is stored here yet; name one: seandb serve SCHEMA.proto --data \(path)"
    case .schemaBreaks(let diagnostics):
      diagnostics.map(\.description).joined(separator: "\n")
        + "\nthe schema breaks records that are stored; nothing was changed. "
        + "Undo these changes, or start on an empty directory with --data"
    case .catalogueDamaged(let path, let detail):
      "\(path): the stored schema cannot be read (\(detail)); restore the directory from a backup"
    case .engine(let error): "\(error)"
    case .cannotListen(let address, let detail):
      "cannot listen on \(address): \(detail); choose another with --listen HOST:PORT"
    case .noSignals(let detail):
      "cannot set up signal handling: \(detail); raise the limits (ulimit -n)"
    }
  }
}
