package import Schema

/// Why a record can have no entry in an index.
package struct IndexEntryError: Error, Equatable {
  /// What is wrong.
  package enum Reason: Equatable, Sendable {
    /// A number that the field's type has not, or a time that is none.
    case outOfRange
    /// The columns have so many bytes.
    case tooLong(Int)
    /// The entries of the record have more bytes than ``IndexPlan/maximumEntryBytes``.
    case tooLarge
    /// Its repeated field has too many elements.
    case tooManyElements
    /// The bytes are no protobuf message.
    case malformed(RecordError)
  }

  /// What is wrong.
  package let reason: Reason
  /// The place of the index among those of the model.
  package let index: Int
  /// The place of the column in it: with `tooLong`, of the longest one.
  package let column: Int

  /// - Parameters: as the properties.
  package init(reason: Reason, index: Int, column: Int) {
    self.reason = reason
    self.index = index
    self.column = column
  }
}
