import Records
import Schema
import Wire

// SAFETY: a key is lent until a text was made of it.

/// Transactions that are refused.
extension StatusMapping {
  static func status(of error: TransactionError) -> RPCStatus {
    let status = status(of: error.reason)
    return error.index.map { status.ofWrite($0) } ?? status
  }

  private static func status(of reason: TransactionError.Reason) -> RPCStatus {
    switch reason {
    case .malformed(let error):
      badWrite(
        "the transaction is no message of its type: \(error); encode it with a protobuf library")
    case .unsupported(let field):
      badWrite(
        "the transaction uses field \(field) of Transaction, which this server does not support: leave it out, or use a newer server"
      )
    case .noRecord: badWrite("it has no record: set the field of one model")
    case .severalRecords: badWrite("it has two records: set the field of one model")
    case .unknownModel(let number):
      badWrite(
        "field \(number) of Transaction.Write is of no model that this server has: generate the client from this server's schema"
      )
    case .returning:
      badWrite("returning is set, and a transaction answers with etags alone: leave it out")
    case .requestIDInside:
      badWrite("request_id is set, and it is for the transaction: set request_id of Transaction")
    case .requestID(let error): badWrite("\(error)")
    case .duplicate(let store, let key):
      duplicate(store, unsafe key.withUnsafeBytes { ShownKey($0, store) })
    case .write(let error, let store): status(of: error, store)
    case .tooMany(let limit):
      RPCStatus(
        .resourceExhausted, reason: "TRANSACTION_TOO_LARGE",
        "the transaction has more than \(limit) writes: make fewer at once, or raise --max-transaction-writes; nothing was changed",
        metadata: [("limit", String(limit))])
    }
  }

  private static func badWrite(_ text: String) -> RPCStatus {
    RPCStatus(.invalidArgument, reason: "BAD_WRITE", text)
  }

  private static func duplicate(_ store: ModelStore, _ key: ShownKey) -> RPCStatus {
    RPCStatus(
      .invalidArgument, reason: "DUPLICATE_WRITE",
      "it is of the \(store.model.name) with the \(key.phrase), as one before it: write each record once; nothing was changed",
      metadata: [("model", store.model.fullName)] + key.metadata)
  }
}

extension RPCStatus {
  /// The same, as the reason why a transaction is refused.
  func ofWrite(_ index: Int) -> RPCStatus {
    RPCStatus(
      code, reason: reason, "write \(index) of the transaction: \(message)",
      metadata: [("writeIndex", String(index))] + metadata.map { ($0.key, $0.value) })
  }
}
