package import Schema

/// Why a write was refused that the commit thread executed: nothing of its call is stored.
package enum WriteRefusal: Error, Sendable {
  /// Another record has the values of a unique index.
  case uniqueViolation(store: ModelStore, index: ModelIndex, holder: [UInt8], write: Int)
  /// A stored record cannot be read as one of its model.
  case unreadableRecord(store: ModelStore, key: [UInt8], IndexEntryError)
  /// A condition asks for a record, and there is none.
  case notFound(store: ModelStore, key: [UInt8])
  /// A condition asks that there be no record, and there is one.
  case exists(store: ModelStore, key: [UInt8], etag: Etag)
  /// The record has another etag than the condition asks for.
  case otherEtag(store: ModelStore, key: [UInt8], etag: Etag)
  /// The record as it would be after an update cannot be stored.
  case badUpdate(store: ModelStore, key: [UInt8], WriteError)
  /// The record as it would be after an update has so many bytes, and may have `limit`.
  case updateTooLarge(store: ModelStore, key: [UInt8], bytes: Int, limit: Int)
  /// The transaction has more than ``WriteExecutor/maximumTransactionBytes``.
  case transactionTooLarge
  /// The request id was that of a call of another kind before.
  case requestIDReused(RequestID)
  /// What such a call was answered cannot be read.
  case unreadableAnswer(RequestID)
  /// The call would change more than can be changed at once.
  case tooLarge(entries: Int, bytes: Int)
  /// An entry of a unique index names no record, or one that is not there; the key is the record's.
  case corruptIndex(store: ModelStore, index: ModelIndex, key: [UInt8])
}
