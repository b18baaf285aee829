import Bytes
import Engine

// SAFETY: keys and values are lent by the engine or an array until the return; numbers are loaded where the count has
// room for them.

/// What became of a record.
package enum ChangeKind: UInt8, Sendable {
  /// Stored, new or in place of the one before.
  case put = 0
  case delete = 1
  /// Its time was over.
  case expired = 2
}

/// One change of one record as it is logged (key kind 3, the model's id):
///
///     key      revision u64 big-endian, number among the changes of its call u32 big-endian
///     value    01, kind u8, when: milliseconds since 1970, u64 little-endian,
///              key of the record: varint length and bytes,
///              record as it was before: varint length + 1 and bytes, or 0 when it is not kept or there was none,
///              record as it is after a put: the rest
///
/// Thread-safety: a value for as long as the bytes live that it was read from.
@safe
struct ChangeRecord {
  static let version: UInt8 = 1
  static let keyBytes = KeyPrefix.byteCount + 12

  let kind: ChangeKind
  /// Milliseconds since 1970.
  let time: UInt64
  /// Of the record, without its prefix.
  @safe let key: UnsafeRawBufferPointer
  @safe let old: UnsafeRawBufferPointer?
  @safe let record: UnsafeRawBufferPointer

  /// The stored key.
  static func key(_ prefix: KeyPrefix, _ revision: UInt64, _ number: UInt32) -> [UInt8] {
    var writer = ByteWriter(capacity: keyBytes)
    prefix.fixed.append(to: &writer)
    unsafe withUnsafeBytes(of: revision.bigEndian) { writer.append($0) }
    unsafe withUnsafeBytes(of: number.bigEndian) { writer.append($0) }
    return writer.array()
  }

  /// The first key of a revision, and the end of those before it.
  static func bound(_ prefix: KeyPrefix, _ revision: UInt64) -> [UInt8] {
    Array(key(prefix, revision, 0).dropLast(4))
  }

  /// - Returns: nil for a key of another length.
  @safe
  static func revision(ofKey key: UnsafeRawBufferPointer) -> UInt64? {
    guard key.count == keyBytes else { return nil }
    let bits = unsafe key.loadUnaligned(fromByteOffset: KeyPrefix.byteCount, as: UInt64.self)
    return UInt64(bigEndian: bits)
  }

  /// Appends the value.
  @safe
  static func append(
    _ kind: ChangeKind, time: UInt64, key: UnsafeRawBufferPointer, old: UnsafeRawBufferPointer?,
    record: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) {
    writer.append(version)
    writer.append(kind.rawValue)
    writer.appendLittleEndian(time)
    writer.appendVarint(UInt64(key.count))
    writer.append(key)
    writer.appendVarint(UInt64(unsafe old.map { $0.count + 1 } ?? 0))
    if let old = unsafe old { writer.append(old) }
    if kind == .put { writer.append(record) }
  }

  /// Reads what ``append(_:time:key:old:record:to:)`` wrote.
  ///
  /// - Returns: nil when it is of a version that this program does not know, or no change at all.
  @safe
  init?(_ value: UnsafeRawBufferPointer) {
    guard value.count >= 10, unsafe value[0] == Self.version,
      let kind = unsafe ChangeKind(rawValue: value[1])
    else { return nil }
    var offset = 10
    func part(_ count: UInt64) -> UnsafeRawBufferPointer? {
      guard count <= UInt64(value.count - offset) else { return nil }
      defer { offset += Int(count) }
      return unsafe UnsafeRawBufferPointer(rebasing: value[offset..<offset + Int(count)])
    }
    guard let keyCount = unsafe Varint.decode(value, &offset, end: value.count),
      let key = unsafe part(keyCount),
      let oldCount = unsafe Varint.decode(value, &offset, end: value.count)
    else { return nil }
    self.kind = kind
    time = UInt64(littleEndian: unsafe value.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
    unsafe self.key = key
    if oldCount > 0 {
      guard let old = unsafe part(oldCount - 1) else { return nil }
      unsafe self.old = old
    } else {
      self.old = nil
    }
    unsafe record = UnsafeRawBufferPointer(rebasing: value[offset...])
  }
}
