import Records
import Schema
import Wire

/// Calls that watch and are refused, or end.
extension StatusMapping {
  static func status(of problem: WatchRequest.Problem, _ store: ModelStore) -> RPCStatus {
    switch problem {
    case .malformed(let error):
      badWatch(
        "the request is no message of its type: \(error); encode it with a protobuf library")
    case .unsupported(let field):
      badWatch(
        "the request uses field \(field) of Watch, which this server does not support: leave it out, or use a newer server"
      )
    case .severalStarts: badWatch("the request has two starts: set one of after and initial, once")
    case .severalQueries: badWatch("the request has two pk: set it once")
    case .noOld:
      badWatch(
        "with_old is set, and records of \(store.model.name) are not kept as they were before: add with_old: true to watch in its option, or leave it out"
      )
    case .query(let error): status(of: error)
    case .compacted(let oldest): compacted(oldest: oldest)
    case .unknownRevision(let newest):
      RPCStatus(
        .outOfRange, reason: "REVISION_UNKNOWN",
        "there is no such revision yet, the newest is \(newest): it is of another database, or of one that was restored from an earlier backup; begin anew with initial",
        metadata: [("newest", String(newest))])
    }
  }

  /// A reader is behind what is kept.
  static func compacted(oldest: UInt64) -> RPCStatus {
    RPCStatus(
      .outOfRange, reason: "REVISION_COMPACTED",
      "changes are not kept that far back, only those after revision \(oldest): begin anew with initial, and keep more (keep_bytes, keep_hours) if readers may be so late",
      metadata: [("oldest", String(oldest))])
  }

  /// All records were asked for, and are taken too slowly.
  static let watchTooSlow = RPCStatus(
    .aborted, reason: "SNAPSHOT_TOO_OLD",
    "the records that initial asked for were taken so slowly that their moment is not kept any more: begin anew, and read faster"
  )

  private static func badWatch(_ text: String) -> RPCStatus {
    RPCStatus(.invalidArgument, reason: "BAD_WATCH", text)
  }
}
