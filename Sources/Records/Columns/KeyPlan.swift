package import Bytes
package import Schema

// SAFETY: reads through the base of bytes that are lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// How the keys of a model are made of columns: its access plan for them, resolved once.
///
/// A key is the bytes of its columns one after the other, see ``ColumnEncoding``. No key begins with another one, but
/// where the last column is raw.
///
/// Thread-safety: a constant value.
package struct KeyPlan: Sendable {
  /// Of the model.
  package let key: ModelKey
  /// By which queries are made ranges of keys.
  let columns: ColumnPlan
  /// The numbers of the columns' fields in a record.
  private let recordNumbers: [UInt32]
  /// The same in the message `Key`, and in queries.
  private let keyNumbers: [UInt32]

  /// - Precondition: the key has 1 to 15 columns, as every one of a schema.
  package init(_ key: ModelKey) {
    precondition((1...ModelKey.maximumColumns).contains(key.columns.count))
    self.key = key
    columns = ColumnPlan(
      key.columns, message: "ByPk", lastIsRaw: true, areWholeKeys: true)
    recordNumbers = key.columns.map(\.number)
    keyNumbers = key.columns.indices.map { UInt32($0 + 1) }
  }

  var encodings: [ColumnEncoding] { columns.encodings }

  private typealias Slots = InlineArray<15, ColumnSlot>

  // MARK: - Keys of records

  /// Appends the key of a record.
  ///
  /// - Parameter record: is known to be a record of the model.
  /// - Complexity: O(fields of the record); allocates nothing.
  @safe
  package func appendKey(
    of record: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) throws(ColumnError) {
    var slots = Slots(repeating: ColumnSlot())
    try read(record, recordNumbers, checks: false, &slots)
    try append(slots, of: record, to: &writer)
  }

  /// The key in a message `Key`.
  @safe
  package func key(_ message: UnsafeRawBufferPointer) throws(ColumnError) -> [UInt8] {
    var slots = Slots(repeating: ColumnSlot())
    try read(message, keyNumbers, checks: true, &slots)
    var writer = ByteWriter(capacity: 64)
    try append(slots, of: message, to: &writer)
    return writer.array()
  }

  /// - Parameter checks: whether the message may be anything; else it is known to be well formed.
  @safe
  private func read(
    _ bytes: UnsafeRawBufferPointer, _ numbers: [UInt32], checks: Bool, _ slots: inout Slots
  ) throws(ColumnError) {
    guard let start = bytes.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    var column = 0
    do throws(RecordError) {
      var offset = 0
      while offset < bytes.count {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
        guard let found = numbers.firstIndex(of: number) else {
          column = 0
          try unsafe WireScan.skip(
            base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart,
            depth: 1)
          // Numbers up to 15 are columns of keys that this server does not have.
          if checks && number <= ModelKey.maximumColumns { column = -Int(number) }
          guard column == 0 else { break }
          continue
        }
        column = found
        guard wireType == encodings[column].kind.wireType else {
          throw RecordError(
            .wrongWireType, offset: fieldStart, fieldNumber: number, wireType: wireType)
        }
        try unsafe slots[column].read(
          encodings[column].kind, base, &offset, bytes.count, checksText: checks)
      }
    } catch {
      throw ColumnError(reason: .malformed(error), column: max(column, 0))
    }
    if column < 0 { throw ColumnError(reason: .unknownField(-column), column: 0) }
  }

  @safe
  private func append(
    _ slots: Slots, of bytes: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) throws(ColumnError) {
    let mark = writer.count
    for column in encodings.indices {
      let slot = slots[column]
      guard slot.isSet || !key.columns[column].hasPresence else {
        throw ColumnError(reason: .unset, column: column)
      }
      guard encodings[column].append(slot, of: bytes, to: &writer) else {
        throw ColumnError(reason: .outOfRange, column: column)
      }
    }
    let count = writer.count - mark
    if encodings.count == 1 && encodings[0].kind.isText && slots[0].start == slots[0].end {
      throw ColumnError(reason: .empty, column: 0)
    }
    guard count <= RecordPlan.maximumKeySize else {
      throw ColumnError(reason: .tooLong(count), column: encodings.count - 1)
    }
  }

  // MARK: - Text

  /// A key as people read it: `tenant "a", created 2026-01-01T00:00:00Z, id "x"`.
  package func text(ofKey key: some Sequence<UInt8>) -> String {
    var rest = Array(key)[...]
    var parts: [String] = []
    for (column, encoding) in zip(self.key.columns, encodings) {
      guard let text = encoding.text(&rest) else {
        parts.append("\(column.name) ?")
        break
      }
      parts.append("\(column.name) \(text)")
    }
    return parts.joined(separator: ", ")
  }

  // MARK: - Messages

  /// Appends the fields of the message `Key` that names a key.
  ///
  /// - Returns: false when it is no key of the plan.
  func appendMessage(ofKey key: some Sequence<UInt8>, to writer: inout ByteWriter) -> Bool {
    var rest = Array(key)[...]
    for (column, encoding) in encodings.enumerated() {
      guard encoding.appendField(column + 1, &rest, to: &writer) else { return false }
    }
    return rest.isEmpty
  }
}
