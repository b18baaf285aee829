import Bytes

// SAFETY: writes are views of the request, which outlives them.

/// Walks the writes of a `Transaction` message.
///
/// Thread-safety: a value; the bytes must outlive it and the writes it returns.
struct TransactionReader {
  private var reader: ProtobufReader

  /// Of `Transaction`.
  private static let writes = 1
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
    while let (number, value) = try unsafe Self.nextMessage(&reader) {
      if number == Self.writes { return try unsafe Self.write(value) }
      if Self.kept.contains(number) { throw .unsupported(number) }
    }
    return nil
  }

  /// A write has one record: of two a decoder would take the last one.
  private static func write(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TransactionError.Reason) -> Write {
    var reader = unsafe ProtobufReader(bytes)
    var found: Write?
    while let (number, value) = try unsafe nextMessage(&reader) {
      guard found == nil else { throw .severalRecords }
      unsafe found = Write(number: number, message: value)
    }
    guard let found else { throw .noRecord }
    return found
  }

  /// The next field that has a message; others are stepped over.
  private static func nextMessage(
    _ reader: inout ProtobufReader
  ) throws(TransactionError.Reason) -> (number: Int, value: UnsafeRawBufferPointer)? {
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.wireType == 2 {
          return unsafe (tag.number, try reader.nextLengthDelimited())
        }
        try reader.skip(tag)
      }
      return nil
    } catch {
      throw .malformed(error)
    }
  }
}
