/// Appends protobuf wire format (protobuf.dev/programming-guides/encoding) to a ``ByteWriter``.
///
/// For the few messages the server itself speaks (answers, health, reflection, error details); stored
/// records are never re-encoded.
// SAFETY: Bytes are only lent to a call that copies them; the inner writer is not changed before it returns.
extension ByteWriter {
  /// Appends `tag, length, bytes`: a string, bytes, or embedded message field.
  @safe
  package mutating func appendField(_ number: Int, _ bytes: UnsafeRawBufferPointer) {
    appendTag(number, wireType: 2)
    appendVarint(UInt64(bytes.count))
    append(bytes)
  }

  /// Appends a string field.
  package mutating func appendField(_ number: Int, _ string: String) {
    var string = string
    string.withUTF8 { appendField(number, UnsafeRawBufferPointer($0)) }
  }

  /// Appends a bytes field, or an embedded message.
  package mutating func appendField(_ number: Int, _ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { appendField(number, $0) }
  }

  /// Appends an embedded message that `build` writes.
  package mutating func appendMessage(_ number: Int, _ build: (inout ByteWriter) -> Void) {
    var inner = ByteWriter()
    build(&inner)
    unsafe appendField(number, inner.bytes)
  }

  /// Appends an integer, Boolean or enum field, also when it is 0.
  package mutating func appendField(_ number: Int, varint value: UInt64) {
    appendTag(number, wireType: 0)
    appendVarint(value)
  }

  /// - Precondition: `number` is a legal field number (1 to 2^29 - 1).
  package mutating func appendTag(_ number: Int, wireType: UInt64) {
    precondition(number > 0 && number < 1 << 29)
    appendVarint(UInt64(number) << 3 | wireType)
  }
}
