package import Engine
import Platform
import Records
import Schema
package import Wire

/// The one place where errors of the layers below become gRPC statuses.
package enum StatusMapping {
  // MARK: - Engine

  /// A failed read of `model`.
  package static func status(ofRead error: EngineError, model: String) -> RPCStatus {
    switch error {
    case .corruption:
      RPCStatus(.dataLoss, reason: "CORRUPTION", "\(error)", metadata: [("model", model)])
    case .closed:
      RPCStatus(
        .unavailable, reason: "SHUTTING_DOWN", "the server is shutting down; call again later")
    case .io, .noSpace, .readOnly, .writesPaused:
      RPCStatus(.unavailable, reason: "STORAGE_FAILED", "\(error)", metadata: [("model", model)])
    default: RPCStatus(.internal, reason: "STORAGE_FAILED", "\(error)")
    }
  }

  /// A failed commit. Whether its changes are stored is only known after the next start, unless the error says.
  ///
  /// - Parameter since: when the engine stopped taking writes.
  package static func status(ofWrite error: EngineError, since: String?) -> RPCStatus {
    let when = since.map { " since \($0)" } ?? ""
    switch error {
    case .readOnly(let reason):
      return RPCStatus(
        .unavailable, reason: "READ_ONLY",
        "not stored: no writes are taken\(when) (\(reason)). Mend the cause, then restart the server"
      )
    case .writesPaused(let reason, let isDiskFull):
      return RPCStatus(
        isDiskFull ? .resourceExhausted : .unavailable,
        reason: isDiskFull ? "DISK_FULL" : "WRITES_PAUSED",
        "not stored: no writes are taken for now\(when) (\(reason)). Mend the cause; writes go on by themselves then"
      )
    case .closed:
      return RPCStatus(
        .unavailable, reason: "SHUTTING_DOWN", "the server is shutting down; call again later")
    case .noSpace:
      return RPCStatus(
        .resourceExhausted, reason: "DISK_FULL",
        "\(error). Whether this write was stored is not known")
    case .tooLarge:
      return RPCStatus(
        .resourceExhausted, reason: "REQUEST_TOO_LARGE", "\(error). This write was not stored")
    case .corruption:
      return RPCStatus(
        .dataLoss, reason: "CORRUPTION", "\(error). Whether this write was stored is not known")
    default:
      return RPCStatus(
        .unavailable, reason: "STORAGE_FAILED",
        "\(error). Whether this write was stored is not known")
    }
  }

  // MARK: - Requests

  static func reason(_ error: RecordError) -> String {
    switch error.reason {
    case .keyMissing, .keyFieldMissing, .keyEmpty, .keyTooLong, .keyOutOfRange: "BAD_KEY"
    default: "BAD_RECORD"
    }
  }

  static func status(of error: QueryError) -> RPCStatus {
    var metadata: [(String, String)] = []
    // A path is as long as its sender likes; a status is not.
    if case .badMask(let path, _) = error { metadata = [("path", String(path.prefix(256)))] }
    switch error {
    case .indexBuilding(let index, let done, let total):
      return RPCStatus(
        .failedPrecondition, reason: "INDEX_BUILDING", "\(error)",
        metadata: [("index", index), ("done", String(done)), ("total", String(total))])
    case .indexFailed(let index, let reasons):
      // As many as a status has room for.
      var pairs = ""
      for reason in reasons where pairs.utf8.count + reason.utf8.count < 1000 {
        pairs += (pairs.isEmpty ? "" : "; ") + reason
      }
      return RPCStatus(
        .failedPrecondition, reason: "INDEX_FAILED", "\(error)",
        metadata: [("index", index), ("pairs", pairs)])
    default: break
    }
    return RPCStatus(
      .invalidArgument, reason: reason(error), "\(error)", metadata: metadata)
  }

  private static func reason(_ error: QueryError) -> String {
    switch error {
    case .badPageToken: "BAD_PAGE_TOKEN"
    case .badMask: "BAD_MASK"
    case .keyMissing, .requestedKeyTooLong, .malformedKey, .badKeyColumn,
      .unsupportedIn(message: "Key", _):
      "BAD_KEY"
    default: "BAD_QUERY"
    }
  }

  static func recordNotFound(model: String, key: ShownKey) -> RPCStatus {
    RPCStatus(
      .notFound, reason: "RECORD_NOT_FOUND", "no \(model) has the \(key.phrase)",
      metadata: [("model", model)] + key.metadata)
  }

  // MARK: - Access

  /// The call says not who makes it.
  static let noCredentials = RPCStatus(
    .unauthenticated, reason: "NO_CREDENTIALS",
    "this server wants to know who calls: send the metadata \"authorization: Bearer TOKEN\" with a token of its access file"
  )

  /// Nobody is known by what the call says.
  static let unknownCredentials = RPCStatus(
    .unauthenticated, reason: "BAD_CREDENTIALS",
    "nobody is known by these credentials: send one \"authorization: Bearer TOKEN\" with a token, or connect with a certificate, that the server's access file has"
  )

  /// The token came over a connection that others may have read.
  static let exposedToken = RPCStatus(
    .unauthenticated, reason: "BAD_CREDENTIALS",
    "a token is not taken over plaintext from another machine, where it can be read on the way: connect with TLS, and replace the token"
  )

  static func expiredCredentials(_ end: Timestamp) -> RPCStatus {
    RPCStatus(
      .unauthenticated, reason: "BAD_CREDENTIALS",
      "this token has expired at \(end.text): ask for a new one (`seandb token create`)")
  }

  /// - Parameters:
  ///   - id: of whoever calls.
  ///   - model: nil for what is no matter of one model.
  static func notAllowed(_ id: String, action: String, model: String?) -> RPCStatus {
    let rule = model.map { "\($0): \(action)" } ?? action
    return RPCStatus(
      .permissionDenied, reason: "NOT_ALLOWED",
      "\(id) may not \(action)\(model.map { " \($0)" } ?? ""): one of its roles in the access file must allow \"\(rule)\"",
      metadata: [("action", action)] + (model.map { [("model", $0)] } ?? []))
  }

  // MARK: - Limits

  static func responseTooLarge(limit: Int) -> RPCStatus {
    RPCStatus(
      .resourceExhausted, reason: "RESPONSE_TOO_LARGE",
      "the answer is larger than \(limit) bytes; ask for pages with page_size, for a stream, or for a smaller range, or raise --max-response-size",
      metadata: [("limitBytes", String(limit))])
  }

  /// One record is larger than an answer may be.
  ///
  /// - Parameter pageToken: where to go on after it; nil when the call has no pages.
  static func recordTooLarge(
    limit: Int, model: String, key: ShownKey, pageToken: String?
  ) -> RPCStatus {
    let goOn =
      pageToken == nil ? "" : ", or go on after it with the pageToken of this error's metadata"
    return RPCStatus(
      .resourceExhausted, reason: "RESPONSE_TOO_LARGE",
      "the \(model) with the \(key.phrase) alone is larger than \(limit) bytes; raise --max-response-size, ask for fewer of its fields with read_mask\(goOn)",
      metadata: [("limitBytes", String(limit)), ("model", model)] + key.metadata
        + (pageToken.map { [("pageToken", $0)] } ?? []))
  }

  /// - Parameter pageToken: where to go on; nil: from the start.
  package static func snapshotTooOld(pageToken: String?) -> RPCStatus {
    RPCStatus(
      .aborted, reason: "SNAPSHOT_TOO_OLD",
      "the stream took so long that its moment is not kept any more; go on after the last message with its next_page_token in a new call, which sees the records as they are then",
      metadata: pageToken.map { [("pageToken", $0)] } ?? [])
  }

  /// More than ``CommitQueue/maximumQueuedBytes`` wait.
  package static let writeQueueFull = RPCStatus(
    .resourceExhausted, reason: "WRITE_QUEUE_FULL",
    "more writes are waiting than the server keeps in memory; this one was not stored, call again later"
  )

  /// The engine said nothing of the record.
  static let readUnanswered = RPCStatus(
    .internal, reason: "STORAGE_FAILED", "the storage engine gave no answer")

  /// The threads for reads have as much to do as they may have.
  package static let readQueueFull = RPCStatus(
    .resourceExhausted, reason: "READ_QUEUE_FULL",
    "more reads are waiting for the disk than the server queues; call again later")
}
