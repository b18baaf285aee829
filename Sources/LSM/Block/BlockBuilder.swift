import Bytes

/// Writes sorted entries as one block; ``Block`` reads it.
///
///     entries    one after the other:
///                +--------+----------+-------------+----------------+-------------+-------+
///                | shared | unshared | value bytes | end of the key | trailer     | value |
///                | varint | varint   | varint      | unshared bytes | u64         |       |
///                +--------+----------+-------------+----------------+-------------+-------+
///                `shared` first bytes of the user key are those of the key before it; as many
///                as the two have in common, but none at a restart point (every n-th entry).
///     prefixes   u64 a restart point: 8 bytes of its user key, after the common prefix, as the
///                number that memcmp order makes of them (missing ones as zero)
///     offsets    u32 a restart point: where its entry begins
///     common     u32: how many bytes all user keys of the block begin with in common
///     entries    u32: their number
///     restarts   u32: their number
///
/// All integers little-endian. A seek searches the prefixes, which lie side by side, and decodes
/// entries only from the last restart point before its target. The common prefix is left out of
/// them because keys of one model begin with the same five bytes at least.
// SAFETY: All bytes are the builder's own; what `finish()` lends is valid until the next `add` or `reset`. Offsets are
// those of entries that were written here.
package struct BlockBuilder: ~Copyable {
  private var bytes = ByteWriter()
  private var restarts: [UInt32] = []
  private var firstKey = ByteWriter()
  private var lastKey = ByteWriter()
  private var lastTrailer: UInt64 = 0
  private let restartInterval: Int
  /// Entries added since the last reset.
  package private(set) var entryCount = 0

  static let footerBytes = 12
  static let bytesPerRestart = 12

  /// - Parameter restartInterval: entries from one restart point to the next.
  /// - Precondition: `restartInterval > 0`.
  package init(restartInterval: Int) {
    precondition(restartInterval > 0)
    self.restartInterval = restartInterval
  }

  /// Whether no entry was added.
  package var isEmpty: Bool { entryCount == 0 }

  /// The bytes that ``finish()`` would give now.
  package var byteCount: Int {
    bytes.count + restarts.count * Self.bytesPerRestart + Self.footerBytes
  }

  /// - Precondition: `key` is after all before; the block stays below
  ///   ``Compression/maximumBlockBytes``.
  @safe
  package mutating func add(_ key: InternalKey, value: UnsafeRawBufferPointer) {
    unsafe assert(
      isEmpty
        || InternalKey.compare(
          InternalKey(userKey: lastKey.bytes, trailer: lastTrailer), key) < 0
    )
    var shared = 0
    if entryCount % restartInterval == 0 {
      restarts.append(UInt32(bytes.count))
    } else {
      shared = unsafe KeyOrder.sharedLength(lastKey.bytes, key.userKey)
    }
    if isEmpty { firstKey.append(key.userKey) }
    let rest = unsafe UnsafeRawBufferPointer(rebasing: key.userKey[shared...])
    bytes.appendVarint(UInt64(shared))
    bytes.appendVarint(UInt64(rest.count))
    bytes.appendVarint(UInt64(value.count))
    bytes.append(rest)
    bytes.appendLittleEndian(key.trailer)
    bytes.append(value)
    lastKey.truncate(to: shared)
    lastKey.append(rest)
    lastTrailer = key.trailer
    entryCount += 1
  }

  /// The whole block, valid until the next call.
  package mutating func finish() -> UnsafeRawBufferPointer {
    let common = unsafe isEmpty ? 0 : KeyOrder.sharedLength(firstKey.bytes, lastKey.bytes)
    let entryBytes = bytes.count
    for restart in restarts {
      unsafe bytes.appendLittleEndian(
        Self.prefix(atRestart: Int(restart), in: bytes.bytes, entryBytes, common: common))
    }
    for restart in restarts { bytes.appendLittleEndian(restart) }
    bytes.appendLittleEndian(UInt32(common))
    bytes.appendLittleEndian(UInt32(entryCount))
    bytes.appendLittleEndian(UInt32(restarts.count))
    return unsafe bytes.bytes
  }

  private static func prefix(
    atRestart offset: Int, in bytes: UnsafeRawBufferPointer, _ end: Int, common: Int
  ) -> UInt64 {
    guard let entry = unsafe BlockEntry(in: bytes, at: offset, end: end) else {
      preconditionFailure("a block holds what was just written to it")
    }
    return unsafe KeyOrder.prefix(
      of: UnsafeRawBufferPointer(rebasing: entry.rest(in: bytes)[common...]))
  }

  /// Begins the next block with the same memory.
  package mutating func reset() {
    bytes.removeAll()
    restarts.removeAll(keepingCapacity: true)
    firstKey.removeAll()
    lastKey.removeAll()
    entryCount = 0
  }
}
