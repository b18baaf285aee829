package import Schema

/// Why a `Write` is refused before anybody looks at what is stored.
package enum WriteRequestError: Error, Equatable, Sendable {
  /// None of the actions is set.
  case noAction
  /// Two are, by their field numbers in the order of the wire.
  case severalActions(Int, Int)
  case severalConditions
  case emptyEtag
  /// A `check` says nothing that could be checked.
  case checkWithoutCondition
  /// An `update` asks that there be no record.
  case updateOfNothing
  /// `update_mask` is set for another action.
  case maskWithout(WriteRequest.Action)
  /// A `returning` that this version does not know.
  case unknownReturning(UInt64)
  /// `request_id` has too many characters, or others than it may have.
  case badRequestID(byteCount: Int)
  /// A field that this version does not know, and must not step over.
  case unsupported(Int)
  /// The request is no `Write` message.
  case malformed(RecordError)
}

/// Why a `WriteX` is refused before it is queued.
package enum WriteCallError: Error, Equatable, Sendable {
  case request(WriteRequestError)
  /// Its record, and the entries that it would have.
  case record(WriteError)
  /// Its key or its mask.
  case query(QueryError)
}

extension WriteRequestError: CustomStringConvertible {
  /// A sentence for the caller: what is wrong and what to do.
  package var description: String {
    switch self {
    case .noAction: "the write has no action: set one of put, update, delete, check"
    case .severalActions(let first, let second) where first == second:
      "the write has two actions, both \(Self.name(first)): set one alone, and write several records one by one"
    case .severalActions(let first, let second):
      "the write has two actions, \(Self.name(first)) and \(Self.name(second)): set one alone"
    case .severalConditions:
      "the write has two conditions: set one of exists and etag, once"
    case .emptyEtag:
      "etag of the write is empty: set the etag that an answer had, or exists, or no condition"
    case .checkWithoutCondition:
      "the write is a check and has no condition: set exists or etag"
    case .updateOfNothing:
      "the write is an update and has exists: false: an update needs a record; put makes one"
    case .maskWithout(let action):
      "update_mask is set in a write that is a \(action.name): it is for update alone; leave it out"
    case .unknownReturning(let value):
      "returning of the write is \(value), which this server does not know: set NOTHING (0), NEW (1) or OLD (2), or use a newer server"
    case .badRequestID(let byteCount):
      "request_id has \(byteCount) bytes: set 1 to \(RequestID.maximumBytes) printable ASCII characters, a new UUID for each call, or leave it out"
    case .unsupported(let field):
      "the write uses field \(field) of Write, which this server does not support: leave it out, or use a newer server"
    case .malformed(let error):
      "the write is no message of its type: it is malformed at byte \(error.offset); encode it with a protobuf library"
    }
  }

  private static func name(_ field: Int) -> String {
    WriteRequest.Action(rawValue: UInt8(field))?.name ?? "field \(field)"
  }
}
