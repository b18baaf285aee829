import Bytes
package import Schema

// SAFETY: reads through the base of bytes that are lent until the return. ``WireScan`` checks every offset before it
// reads there, and what a slot keeps lies within the bytes that it was read from.

/// The value of one column while a message is read: the last one that came, as for any decoder.
struct ColumnSlot: BitwiseCopyable {
  var isSet = false
  /// A number as it is on the wire; of a time its seconds.
  var bits: UInt64 = 0
  /// Of a time, as on the wire.
  var nanoseconds: UInt64 = 0
  /// Of a string, in the message.
  var start = 0
  var end = 0

  /// Reads the value of a field whose tag has been read.
  ///
  /// - Parameter checksText: whether a string is looked at: that of a record was before.
  mutating func read(
    _ kind: ColumnKind, _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int,
    checksText: Bool
  ) throws(RecordError) {
    switch kind.wireType {
    case 0: bits = try unsafe WireScan.varint(base, &offset, end)
    case 1:
      let start = offset
      try WireScan.advance(&offset, by: 8, end)
      bits = unsafe UInt64(
        littleEndian: UnsafeRawPointer(base + start).loadUnaligned(as: UInt64.self))
    case 5:
      let start = offset
      try WireScan.advance(&offset, by: 4, end)
      bits = unsafe UInt64(
        UInt32(littleEndian: UnsafeRawPointer(base + start).loadUnaligned(as: UInt32.self)))
    default:
      let length = try unsafe WireScan.length(base, &offset, end)
      let valueEnd = offset &+ length
      if kind.isText {
        if checksText && kind == .string {
          let invalid = unsafe UTF8Validation.firstInvalid(
            UnsafeRawPointer(base), from: offset, to: valueEnd)
          guard invalid < 0 else { throw RecordError(.invalidUTF8, offset: invalid) }
        }
        start = offset
        self.end = valueEnd
      } else {
        try unsafe readTime(base, offset, valueEnd)
      }
      offset = valueEnd
    }
    isSet = true
  }

  /// A message that comes in parts is the parts together.
  private mutating func readTime(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) throws(RecordError) {
    var offset = start
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      guard number <= 2 else {
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 2)
        continue
      }
      guard wireType == 0 else {
        throw RecordError(.wrongWireType, offset: fieldStart, wireType: wireType)
      }
      let value = try unsafe WireScan.varint(base, &offset, end)
      if number == 1 { bits = value } else { nanoseconds = value }
    }
  }
}

/// Why a value cannot be in a key.
package struct ColumnError: Error, Equatable {
  /// What is wrong with the value.
  package enum Reason: Equatable {
    /// It has to be set.
    case unset
    /// The only column is an empty string.
    case empty
    /// A number that the field's type has not, or a time that is none.
    case outOfRange
    /// The key with it has so many bytes.
    case tooLong(Int)
    case malformed(RecordError)
    /// The message has a field that is no column.
    case unknownField(Int)
  }

  /// What is wrong.
  package let reason: Reason
  /// Its place in the key.
  package let column: Int
}
