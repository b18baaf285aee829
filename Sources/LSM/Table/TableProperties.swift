import Bytes

/// What a table says of itself.
///
///     count u32: how many numbers follow, 11 in this version; more are ignored
///     numbers u64 each, in the order of the properties below
///     smallest: byte count u32, encoded internal key
///     largest: byte count u32, encoded internal key
///
/// All integers little-endian.
// SAFETY: Each count is checked against what is left before it is used; what is kept is copied.
package struct TableProperties: Equatable, Sendable {
  /// Values and tombstones.
  package var entryCount: UInt64 = 0
  /// Tombstones of single keys, which are among the entries.
  package var tombstoneCount: UInt64 = 0
  /// Range tombstones, which are not among the entries.
  package var rangeTombstoneCount: UInt64 = 0
  /// Blocks of entries.
  package var dataBlockCount: UInt64 = 0
  /// Data blocks in which at least half of the entries are tombstones: scans crawl there.
  package var denseTombstoneBlockCount: UInt64 = 0
  /// User keys, before compression.
  package var keyBytes: UInt64 = 0
  /// Values, before compression.
  package var valueBytes: UInt64 = 0
  /// Data blocks before compression.
  package var rawDataBytes: UInt64 = 0
  /// Data blocks as they are in the file.
  package var storedDataBytes: UInt64 = 0
  /// The oldest change; `.maximum` in a table of nothing.
  package var smallestSequence = SequenceNumber.maximum
  /// The newest change; `.zero` in a table of nothing.
  package var largestSequence = SequenceNumber.zero
  /// The first internal key, encoded; range tombstones count. Empty in a table of nothing.
  package var smallest: [UInt8] = []
  /// The last internal key, encoded. When a range tombstone reaches furthest it is
  /// ``InternalKey/first(of:)`` its upper bound, which no entry has.
  package var largest: [UInt8] = []

  package init() {}

  private static let numberCount: UInt32 = 11

  private var numbers: [UInt64] {
    [
      entryCount, tombstoneCount, rangeTombstoneCount, dataBlockCount, denseTombstoneBlockCount,
      keyBytes, valueBytes, rawDataBytes, storedDataBytes, smallestSequence.rawValue,
      largestSequence.rawValue,
    ]
  }

  /// The bytes as drawn above.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.appendLittleEndian(Self.numberCount)
    for number in numbers { writer.appendLittleEndian(number) }
    for key in [smallest, largest] {
      writer.appendLittleEndian(UInt32(key.count))
      writer.append(key)
    }
    return writer.array()
  }

  /// Decodes and checks the bytes of a properties block.
  @safe
  package init(decoding bytes: UnsafeRawBufferPointer) throws(DamageInBlock) {
    var at = 0
    func take(_ count: Int, _ field: String) throws(DamageInBlock) -> UnsafeRawBufferPointer {
      guard count <= bytes.count - at else {
        throw DamageInBlock(
          .truncated(field: field, needed: UInt64(count), available: UInt64(bytes.count - at)))
      }
      defer { at += count }
      return unsafe UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
    }
    func length(_ field: String) throws(DamageInBlock) -> Int {
      unsafe Int(UInt32(littleEndian: try take(4, field).loadUnaligned(as: UInt32.self)))
    }
    let count = try length("property count")
    guard count >= Int(Self.numberCount) else {
      throw DamageInBlock(
        .value(field: "property count", expected: UInt64(Self.numberCount), actual: UInt64(count)))
    }
    let numbers = try unsafe take(count * 8, "properties")
    func number(_ index: Int) -> UInt64 {
      unsafe UInt64(littleEndian: numbers.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    }
    func sequence(_ index: Int, _ field: String) throws(DamageInBlock) -> SequenceNumber {
      let value = number(index)
      guard value <= SequenceNumber.maximum.rawValue else {
        throw DamageInBlock(
          .length(field: field, value: value, limit: SequenceNumber.maximum.rawValue))
      }
      return SequenceNumber(rawValue: value)
    }
    func key(_ field: String) throws(DamageInBlock) -> [UInt8] {
      let encoded = try unsafe take(try length(field), field)
      guard unsafe encoded.isEmpty || InternalKey(encoded: encoded) != nil else {
        throw DamageInBlock(.order(field: field))
      }
      return unsafe Array(encoded)
    }
    entryCount = number(0)
    tombstoneCount = number(1)
    rangeTombstoneCount = number(2)
    dataBlockCount = number(3)
    denseTombstoneBlockCount = number(4)
    keyBytes = number(5)
    valueBytes = number(6)
    rawDataBytes = number(7)
    storedDataBytes = number(8)
    smallestSequence = try sequence(9, "smallest sequence number")
    largestSequence = try sequence(10, "largest sequence number")
    smallest = try key("smallest key")
    largest = try key("largest key")
    guard at == bytes.count else {
      throw DamageInBlock(
        .length(field: "properties", value: UInt64(bytes.count), limit: UInt64(at)))
    }
  }
}
