import Bytes

/// A static file over HTTP/2: what a server does that has nothing to look up.
struct FileDialect: Dialect {
  static let operations: Set<Operation> = [.get]

  private let headers: HTTP2Session.Headers
  private let fileByteCount: Int

  /// - Parameter path: of the file, from the server's root: `/record`.
  init(path: String, fileByteCount: Int, scheme: String) {
    headers = .file(scheme: scheme, path: path)
    self.fileByteCount = fileByteCount
  }

  func makeSession(slots: SlotTable) -> HTTP2Session {
    HTTP2Session(slots: slots, headers: headers)
  }

  func writeRequest(_ slot: inout CallSlot) { slot.request.removeAll() }

  func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool {
    slot.response.count == fileByteCount
  }
}
