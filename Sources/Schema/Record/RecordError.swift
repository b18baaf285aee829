/// Why a record is refused. ``RecordPlan/describe(_:)`` makes a sentence of it.
package struct RecordError: Error, Sendable, Equatable {
  /// What is wrong. The raw values are of this process alone.
  package enum Reason: UInt8, Sendable {
    /// The bytes end inside a tag, a value or a group.
    case truncated
    /// A varint of more than 10 bytes, or a value of more than 64 bits.
    case malformedVarint
    /// A field number of 0, or a tag of more than 32 bits.
    case invalidTag
    /// Wire type 6 or 7.
    case invalidWireType
    /// The end of a group that did not begin, or of another one.
    case unmatchedGroup
    /// A packed field whose bytes are no whole number of values.
    case malformedPacked
    /// A known field with a wire type that its type cannot have.
    case wrongWireType
    case invalidUTF8
    /// Messages and groups nested deeper than ``RecordPlan/maximumDepth``.
    case tooDeep
    /// A message of an imported proto2 file lacks a `required` field.
    case requiredMissing
    case keyMissing
    case keyEmpty
    /// The key has more than ``RecordPlan/maximumKeySize`` bytes.
    case keyTooLong
    /// A field of a key of several is not set.
    case keyFieldMissing
    /// A field of the key has a value that its type cannot have.
    case keyOutOfRange
    /// A field of a list that answers have, and that a write would have to heed.
    case notForWrites
  }

  /// What is wrong.
  package let reason: Reason
  /// In the record: where the field or value begins that is wrong.
  package let offset: Int
  /// The message whose field is wrong, in the ``RecordPlan``; -1 when there is none.
  package let messageIndex: Int32
  /// 0 when no field is meant.
  package let fieldNumber: UInt32
  /// The wire type found; for the reason `wrongWireType`.
  package let wireType: UInt8

  /// - Parameter messageIndex: -1 when no message is meant.
  package init(
    _ reason: Reason, offset: Int, messageIndex: Int = -1, fieldNumber: UInt32 = 0,
    wireType: UInt8 = 0
  ) {
    self.reason = reason
    self.offset = offset
    self.messageIndex = Int32(truncatingIfNeeded: messageIndex)
    self.fieldNumber = fieldNumber
    self.wireType = wireType
  }
}
