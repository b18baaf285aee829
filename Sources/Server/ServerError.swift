package import Access
package import Records
package import Wire

/// Why a server does not start. Each description is what the user reads, with what to do.
package enum ServerError: Error {
  /// The database does not open.
  case database(DatabaseError)
  /// The address cannot be listened on.
  case cannotListen(address: String, detail: String)
  /// The certificate, or what belongs to it, cannot be used.
  case tls(TLSError)
  /// The access file is not taken.
  case access(AccessError)
  /// The audit log cannot be written.
  case noAuditLog(path: String, detail: String)
  /// The process may open too few files.
  case tooFewFiles(limit: UInt64, needed: Int)
  /// The process may have too little address space.
  case tooLittleAddressSpace(limitBytes: UInt64, neededBytes: UInt64)
  /// The process cannot set up its signal handling.
  case noSignals(detail: String)
}

extension ServerError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .database(let error): "\(error)"
    case .cannotListen(let address, let detail):
      "cannot listen on \(address): \(detail). Choose another address with --listen HOST:PORT or "
        + "--listen unix:PATH"
    case .tls(let error): "\(error)"
    case .access(let error): "\(error)"
    case .noAuditLog(let path, let detail): "cannot write the audit log \(path): \(detail)"
    case .tooFewFiles(let limit, let needed):
      "this process may open \(limit) files, and a server needs at least \(needed). Raise the limit: "
        + "ulimit -n 4096"
    case .tooLittleAddressSpace(let limit, let needed):
      "this process may have \(limit >> 20) MiB of address space, and a server with these sizes needs "
        + "\(needed >> 20) MiB. Lift the limit (ulimit -v unlimited), or give it smaller "
        + "--cache-size and --memtable-size"
    case .noSignals(let detail):
      "cannot set up signal handling: \(detail). Raise the limits (ulimit -n)"
    }
  }
}
