import Bytes

/// Request headers that are kept, in memory that the next call uses again:
///
///     +-----------+---------------------------+-------+
///     | index: u8 | length: u32 little-endian | value |   a header
///     +-----------+---------------------------+-------+
///
/// The index is that of the name in ``MethodTable/keptNames``. Never more than the headers of a call may be in all.
struct KeptMetadata: ~Copyable {
  private var fields = ByteWriter()

  var isEmpty: Bool { fields.isEmpty }

  @safe
  mutating func append(_ index: UInt8, _ value: UnsafeRawBufferPointer) {
    fields.append(index)
    fields.appendLittleEndian(UInt32(value.count))
    fields.append(value)
  }

  mutating func removeAll() { fields.removeAll() }

  /// The values of a name, in the order in which they came.
  func values(_ index: UInt8) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    var rest = fields.array()[...]
    while let first = rest.first {
      let length = rest.dropFirst().prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(5)
      if first == index { found.append(rest.prefix(length)) }
      rest = rest.dropFirst(length)
    }
    return found
  }
}
