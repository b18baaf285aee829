import Engine
import Schema
import Wire

/// The one place where errors of the layers below become gRPC statuses.
enum StatusMapping {
  // MARK: - Engine

  /// A failed read of `model`.
  static func status(ofRead error: EngineError, model: String) -> RPCStatus {
    switch error {
    case .corruption:
      RPCStatus(.dataLoss, reason: "CORRUPTION", "\(error)", metadata: [("model", model)])
    case .closed:
      RPCStatus(
        .unavailable, reason: "SHUTTING_DOWN", "the server is shutting down; call again later")
    case .io, .noSpace:
      RPCStatus(.unavailable, reason: "STORAGE_FAILED", "\(error)", metadata: [("model", model)])
    default: RPCStatus(.internal, reason: "STORAGE_FAILED", "\(error)")
    }
  }

  /// A failed commit. Whether its changes are stored is only known after the next start.
  static func status(ofWrite error: EngineError) -> RPCStatus {
    switch error {
    case .readOnly:
      RPCStatus(
        .unavailable, reason: "READ_ONLY",
        "\(error); this write was not stored. Restart the server once the cause is mended")
    case .closed:
      RPCStatus(
        .unavailable, reason: "SHUTTING_DOWN", "the server is shutting down; call again later")
    case .noSpace:
      RPCStatus(
        .resourceExhausted, reason: "DISK_FULL",
        "\(error); whether this write was stored is not known")
    case .tooLarge:
      RPCStatus(
        .resourceExhausted, reason: "REQUEST_TOO_LARGE", "\(error); this write was not stored")
    case .corruption:
      RPCStatus(
        .dataLoss, reason: "CORRUPTION", "\(error); whether this write was stored is not known")
    default:
      RPCStatus(
        .unavailable, reason: "STORAGE_FAILED",
        "\(error); whether this write was stored is not known")
    }
  }

  // MARK: - Requests

  static func status(of error: RecordError, plan: RecordPlan) -> RPCStatus {
    RPCStatus(.invalidArgument, reason: reason(error), plan.describe(error))
  }

  private static func reason(_ error: RecordError) -> String {
    switch error.reason {
    case .keyMissing, .keyEmpty, .keyTooLong: "BAD_KEY"
    default: "BAD_RECORD"
    }
  }

  static func status(of error: QueryError) -> RPCStatus {
    RPCStatus(.invalidArgument, reason: "BAD_QUERY", "\(error)")
  }

  // MARK: - Limits

  static func responseTooLarge(limit: Int) -> RPCStatus {
    RPCStatus(
      .resourceExhausted, reason: "RESPONSE_TOO_LARGE",
      "the answer is larger than \(limit) bytes; ask for a smaller range, or raise --max-response-size",
      metadata: [("limitBytes", String(limit))])
  }

  static let writeQueueFull = RPCStatus(
    .resourceExhausted, reason: "WRITE_QUEUE_FULL",
    "more writes are waiting than the server keeps in memory; this one was not stored, call again later"
  )

  static let readQueueFull = RPCStatus(
    .resourceExhausted, reason: "READ_QUEUE_FULL",
    "more reads are waiting for the disk than the server queues; call again later")
}
