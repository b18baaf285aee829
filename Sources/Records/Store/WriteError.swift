package import Schema

/// Why a record is refused before it is queued.
package enum WriteError: Error, Equatable, Sendable {
  /// It is no record of its model.
  case record(RecordError)
  /// It can have no entry in an index.
  case index(IndexEntryError)
  /// The index entries of the whole call have more than ``IndexPlan/maximumEntryBytes``.
  case tooLarge
}
