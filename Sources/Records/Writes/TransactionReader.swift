import Bytes

// SAFETY: writes are views of the request, which outlives them.

/// Walks the writes of a `Transaction` message.
///
/// Thread-safety: a value; the bytes must outlive it and the writes it returns.
@safe
struct TransactionReader {
  private var reader: ProtobufReader
  /// The text of the id; empty for none. Known at the end.
  @safe private(set) var requestID = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

  /// Of `Transaction`.
  private static let writes = 1
  private static let id = 2
  /// Numbers of fields that are kept for what a transaction may depend on in a later version.
  private static let kept = 1...31

  init(_ bytes: UnsafeRawBufferPointer) { unsafe reader = ProtobufReader(bytes) }

  /// A write: the number of its model, and its `Write` message.
  @safe
  struct Write {
    let number: Int
    @safe let message: UnsafeRawBufferPointer
  }

  /// The next write; nil at the end.
  mutating func next() throws(TransactionError.Reason) -> Write? {
    while let field = try unsafe Self.nextField(&reader) {
      if unsafe field.number == Self.writes, let message = unsafe field.message {
        return try unsafe Self.write(message)
      }
      if unsafe field.number == Self.id, let text = unsafe field.message {
        unsafe requestID = text
        continue
      }
      if unsafe Self.kept.contains(field.number) { throw unsafe .unsupported(field.number) }
    }
    return nil
  }

  /// A write has one record: of two a decoder would take the last one.
  private static func write(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TransactionError.Reason) -> Write {
    var reader = unsafe ProtobufReader(bytes)
    var found: Write?
    while let field = try unsafe nextField(&reader) {
      guard found == nil else { throw .severalRecords }
      guard let message = unsafe field.message else { throw unsafe .unknownModel(field.number) }
      unsafe found = Write(number: field.number, message: message)
    }
    guard let found else { throw .noRecord }
    return found
  }

  /// The next field, and its message if it has one.
  private static func nextField(
    _ reader: inout ProtobufReader
  ) throws(TransactionError.Reason) -> (number: Int, message: UnsafeRawBufferPointer?)? {
    do throws(ProtobufError) {
      guard !reader.isAtEnd else { return nil }
      let tag = try reader.nextTag()
      if tag.wireType == 2 { return unsafe (tag.number, try reader.nextLengthDelimited()) }
      try reader.skip(tag)
      return (tag.number, nil)
    } catch {
      throw .malformed(error)
    }
  }
}
