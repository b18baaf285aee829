package import Bytes

/// Why a `Transaction` is refused before it is queued.
package struct TransactionError: Error, Sendable {
  /// What is wrong.
  package enum Reason: Error, Sendable {
    /// The request is no `Transaction` message.
    case malformed(ProtobufError)
    /// It uses a field that this version does not know, and must not step over.
    case unsupported(Int)
    /// It has more writes than a transaction may have.
    case tooMany(limit: Int)
    /// A write has no record.
    case noRecord
    /// A write has two.
    case severalRecords
    /// A write is of a model with a number that this server does not know.
    case unknownModel(Int)
    /// `returning` is set in a write.
    case returning
    /// `request_id` is set in a write: it is for the transaction.
    case requestIDInside
    /// That of the transaction is none.
    case requestID(WriteRequestError)
    /// Another write before it is of the same record.
    case duplicate(store: ModelStore, key: [UInt8])
    /// As of a write that is alone.
    case write(WriteCallError, store: ModelStore)
  }

  /// The place of the write that is wrong; nil: the transaction is.
  package let index: Int?
  /// What is wrong with it.
  package let reason: Reason
}
