import Records
import Schema
import Wire

// SAFETY: a key is lent until a text was made of it.

/// Records and writes that are refused.
extension StatusMapping {
  static func status(of error: WriteError, _ store: ModelStore) -> RPCStatus {
    let (reason, text, metadata) = parts(of: error, store)
    return RPCStatus(code(of: error), reason: reason, text, metadata: metadata)
  }

  static func status(of error: WriteCallError, _ store: ModelStore) -> RPCStatus {
    switch error {
    case .request(let error):
      RPCStatus(.invalidArgument, reason: "BAD_WRITE", "\(error)")
    case .record(let error): status(of: error, store)
    case .query(let error): status(of: error)
    }
  }

  static func status(of error: RecordBatchError, _ store: ModelStore) -> RPCStatus {
    let (reason, text, metadata) = parts(of: error.error, store)
    if case .record(let error) = error.error, error.reason == .notForWrites {
      return RPCStatus(.invalidArgument, reason: "BAD_RECORD", text + "; nothing was stored")
    }
    let index = String(error.index)
    return RPCStatus(
      code(of: error.error), reason: reason,
      "record \(index) of the batch: \(text); nothing was stored",
      metadata: [("recordIndex", index)] + metadata)
  }

  private static func code(of error: WriteError) -> StatusCode {
    switch error {
    case .tooLarge: .resourceExhausted
    case .index(let error) where error.reason == .tooLarge: .resourceExhausted
    case .record, .index: .invalidArgument
    }
  }

  private static var tooLarge: (reason: String, text: String, metadata: [(String, String)]) {
    let limit = IndexPlan.maximumEntryBytes
    return (
      "TRANSACTION_TOO_LARGE",
      "the index entries have more than \(limit >> 20) MiB in all: put fewer records at once, or records with fewer elements, or include less in the indexes",
      [("limit", String(limit))]
    )
  }

  private static func parts(
    of error: WriteError, _ store: ModelStore
  ) -> (reason: String, text: String, metadata: [(String, String)]) {
    switch error {
    case .tooLarge: return tooLarge
    case .record(let error): return (reason(error), store.plan.describe(error), [])
    case .index(let error):
      guard let index = store.indexes?.all[error.index].plan.index else {
        return ("BAD_RECORD", "the record has no place in an index", [])
      }
      let field = index.columns[error.column].name
      let metadata = [("index", index.name), ("field", field)]
      let role = index.isExpiry ? "says when a record ends" : "index \(index.name) is of"
      let subject = "field `\(field)` of \(store.model.name), which \(role),"
      switch error.reason {
      case .outOfRange:
        return (
          "BAD_RECORD", "\(subject) has a value out of the range of its type: put another one",
          metadata
        )
      case .tooLong(let count):
        let limit = IndexPlan.maximumColumnBytes
        return (
          "INDEX_KEY_TOO_LONG",
          "\(subject) is too long: an entry has at most \(limit) bytes of fields, and these are \(count); shorten it",
          metadata + [("limitBytes", String(limit))]
        )
      case .tooLarge: return tooLarge
      case .tooManyElements:
        return (
          "BAD_RECORD",
          "\(subject) has more than \(ModelIndex.maximumElements) elements: put fewer", metadata
        )
      case .malformed(let error): return ("BAD_RECORD", store.plan.describe(error), metadata)
      }
    }
  }

  /// Why the commit thread refused a write.
  static func status(of refusal: WriteRefusal) -> RPCStatus {
    switch refusal {
    case .uniqueViolation(let store, let index, let holder, let write):
      let key = unsafe holder.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .alreadyExists, reason: "UNIQUE_VIOLATION",
        "the \(store.model.name) with the \(key.phrase) has the same \(index.text), and index \(index.name) is unique; nothing was stored",
        metadata: [
          ("index", index.name), ("model", store.model.fullName), ("recordIndex", String(write)),
        ] + key.metadata.map { ("holder", $0.1) })
    case .unreadableRecord(let store, let key, _):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .dataLoss, reason: "CORRUPTION",
        "the stored \(store.model.name) with the \(key.phrase) cannot be read as one, so that its index entries are not known; nothing was stored. Stop the server and run `seandb verify`",
        metadata: [("model", store.model.fullName)] + key.metadata)
    case .notFound(let store, let key):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .notFound, reason: "RECORD_NOT_FOUND",
        "there is no \(store.model.name) with the \(key.phrase); nothing was changed",
        metadata: [("model", store.model.fullName)] + key.metadata)
    case .exists(let store, let key, let etag):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .alreadyExists, reason: "RECORD_EXISTS",
        "there is a \(store.model.name) with the \(key.phrase) already; nothing was changed",
        metadata: [("model", store.model.fullName), ("etag", etag.text)] + key.metadata)
    case .otherEtag(let store, let key, let etag):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .aborted, reason: "ETAG_MISMATCH",
        "the \(store.model.name) with the \(key.phrase) has another etag, \(etag.text): it was changed since it was read; nothing was changed. Read it again, then try again",
        metadata: [("model", store.model.fullName), ("etag", etag.text)] + key.metadata)
    case .badUpdate(let store, _, let error):
      let (reason, text, metadata) = parts(of: error, store)
      return RPCStatus(
        code(of: error), reason: reason, "after the update: \(text); nothing was changed",
        metadata: metadata)
    case .updateTooLarge(let store, let key, let bytes, let limit):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return RPCStatus(
        .resourceExhausted, reason: "REQUEST_TOO_LARGE",
        "the \(store.model.name) with the \(key.phrase) would have \(bytes) bytes after the update, and at most \(limit) are allowed; nothing was changed. Make it smaller, or raise --max-request-size",
        metadata: [("model", store.model.fullName), ("limitBytes", String(limit))] + key.metadata)
    case .requestIDReused(let id):
      return RPCStatus(
        .invalidArgument, reason: "REQUEST_ID_REUSED",
        "request_id \(id.text) was that of another call, of another method or with another returning: make a new one for each call; nothing was changed",
        metadata: [("requestId", id.text)])
    case .unreadableAnswer(let id):
      return RPCStatus(
        .dataLoss, reason: "CORRUPTION",
        "what the call with the request_id \(id.text) was answered cannot be read, so that it is not known whether it was made; nothing was changed. Stop the server and run `seandb verify`",
        metadata: [("requestId", id.text)])
    case .tooLarge:
      return RPCStatus(
        .resourceExhausted, reason: "TRANSACTION_TOO_LARGE",
        "the Delete would change more than \(WriteExecutor.maximumEntries) records and index entries, or \(WriteExecutor.maximumBytes >> 20) MiB of them, at once; nothing was deleted. Delete in several ranges, or everything",
        metadata: [("limit", String(WriteExecutor.maximumEntries))])
    case .transactionTooLarge:
      return RPCStatus(
        .resourceExhausted, reason: "TRANSACTION_TOO_LARGE",
        "up to it the records and index entries, old and new ones, have more than \(WriteExecutor.maximumTransactionBytes >> 20) MiB; nothing was changed. Write fewer records at once",
        metadata: [("limitBytes", String(WriteExecutor.maximumTransactionBytes))])
    case .corruptIndex(let store, let index, let key):
      let key = unsafe key.withUnsafeBytes { ShownKey($0, store) }
      return corruptIndex(index.name, model: store.model.fullName, key: key)
    }
  }

  /// An entry of an index is not as its record.
  static func corruptIndex(_ index: String, model: String, key: ShownKey) -> RPCStatus {
    RPCStatus(
      .dataLoss, reason: "INDEX_CORRUPT",
      "index \(index) has an entry of the \(key.phrase), and there is no such \(model): stop the server and run `seandb verify`, then `seandb repair --indexes`",
      metadata: [("index", index), ("model", model)] + key.metadata)
  }
}
