import Bytes

/// The last 112 bytes of a table.
///
///     0    magic u64
///     8    identity u64: seeds the checksums of all blocks; the manifest knows it too
///     16   size of the file u64
///     24   index: offset u64, byte count u64
///     40   filter: offset u64, byte count u64 (0, 0: none)
///     56   range tombstones: offset u64, byte count u64 (0, 0: none)
///     72   properties: offset u64, byte count u64
///     88   flags u32, 0
///     92   version u32: 2 when a block is compressed by LZ4, else 1
///     96   checksum u64: XXH64 over bytes 0 to 95, seed 0
///     104  magic u64
///
/// All integers little-endian. Version and magic keep their distance from the end in every version.
// SAFETY: The count is checked to be the footer's before any field is read; all offsets are constants below it.
package struct Footer: Equatable, Sendable {
  /// Seeds the checksums of all blocks.
  package var identity: UInt64
  /// The file's size, footer included.
  package var fileBytes: UInt64
  /// The block of separators and handles.
  package var index: BlockHandle
  /// The bloom filter; nil: the table has none.
  package var filter: BlockHandle?
  /// Nil: the table has none.
  package var rangeTombstones: BlockHandle?
  /// The encoded ``TableProperties``.
  package var properties: BlockHandle
  /// Whether a block may be compressed by LZ4.
  package var hasLZ4: Bool

  /// Bytes from the table's end.
  package static let byteCount = 112
  private static let checksumOffset = 96

  package init(
    identity: UInt64, fileBytes: UInt64, index: BlockHandle, filter: BlockHandle?,
    rangeTombstones: BlockHandle?, properties: BlockHandle, hasLZ4: Bool = false
  ) {
    self.identity = identity
    self.fileBytes = fileBytes
    self.index = index
    self.filter = filter
    self.rangeTombstones = rangeTombstones
    self.properties = properties
    self.hasLZ4 = hasLZ4
  }

  /// The bytes as drawn above, with their checksum.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: Self.byteCount)
    writer.appendLittleEndian(TableFormat.magic)
    writer.appendLittleEndian(identity)
    writer.appendLittleEndian(fileBytes)
    for handle in [index, filter ?? .none, rangeTombstones ?? .none, properties] {
      writer.appendLittleEndian(handle.offset)
      writer.appendLittleEndian(handle.byteCount)
    }
    writer.appendLittleEndian(UInt32(0))
    writer.appendLittleEndian(hasLZ4 ? TableFormat.versionWithLZ4 : TableFormat.version)
    unsafe writer.appendLittleEndian(XXH64.hash(writer.bytes))
    writer.appendLittleEndian(TableFormat.magic)
    return writer.array()
  }

  /// Decodes and checks a footer.
  ///
  /// - Parameters:
  ///   - bytes: the last ``byteCount`` bytes of the file.
  ///   - fileBytes: the file's size.
  ///   - path: for errors.
  @safe
  package init(
    decoding bytes: UnsafeRawBufferPointer, fileBytes: UInt64, path: String
  ) throws(LSMError) {
    let start = fileBytes - UInt64(min(UInt64(bytes.count), fileBytes))
    func damage(_ offset: Int, _ kind: DamageKind) -> LSMError {
      .corruption(LSMError.Damage(path: path, offset: start + UInt64(offset), kind))
    }
    guard bytes.count == Self.byteCount, fileBytes >= UInt64(Self.byteCount) else {
      throw damage(
        0,
        .truncated(field: "footer", needed: UInt64(Self.byteCount), available: UInt64(bytes.count)))
    }
    func number(_ offset: Int) -> UInt64 {
      unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    guard number(104) == TableFormat.magic else {
      throw damage(
        104, .value(field: "magic", expected: TableFormat.magic, actual: number(104)))
    }
    let version = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: 92, as: UInt32.self))
    let checksum = unsafe XXH64.hash(
      UnsafeRawBufferPointer(rebasing: bytes[..<Self.checksumOffset]))
    guard checksum == number(Self.checksumOffset) else {
      throw damage(
        Self.checksumOffset,
        .checksum(expected: number(Self.checksumOffset), actual: checksum))
    }
    guard version == TableFormat.version || version == TableFormat.versionWithLZ4 else {
      throw .unsupportedFormat(path: path, version: UInt64(version))
    }
    guard number(0) == TableFormat.magic else {
      throw damage(0, .value(field: "magic", expected: TableFormat.magic, actual: number(0)))
    }
    guard number(16) == fileBytes else {
      throw damage(16, .value(field: "file size", expected: number(16), actual: fileBytes))
    }
    let flags = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: 88, as: UInt32.self))
    guard flags == 0 else { throw damage(88, .unknown(field: "flags", value: UInt64(flags))) }
    func handle(_ offset: Int, _ name: String) throws(LSMError) -> BlockHandle {
      let handle = BlockHandle(offset: number(offset), byteCount: number(offset + 8))
      guard handle.fits(before: start) else {
        throw damage(offset, .length(field: name, value: handle.byteCount, limit: start))
      }
      return handle
    }
    func optionalHandle(_ offset: Int, _ name: String) throws(LSMError) -> BlockHandle? {
      number(offset) == 0 && number(offset + 8) == 0 ? nil : try handle(offset, name)
    }
    self.init(
      identity: number(8), fileBytes: fileBytes, index: try handle(24, "index"),
      filter: try optionalHandle(40, "filter"),
      rangeTombstones: try optionalHandle(56, "range tombstones"),
      properties: try handle(72, "properties"), hasLZ4: version == TableFormat.versionWithLZ4)
  }
}
