import Bytes
import LSM

/// Gives damaged tables right checksums, so that what stands behind those is reached.
enum TableSealing {
  /// Offsets in the footer, see Footer.swift.
  private static let handleOffsets = [24, 40, 56, 72]

  /// A footer of a known version with the checksum of its bytes.
  static func sealFooter(_ bytes: inout [UInt8], at start: Int) {
    let magic: UInt64 = 0x4C42_4154_4E41_4553
    bytes.set(magic, at: start)
    bytes.set(magic, at: start + 104)
    bytes.set(0 as UInt32, at: start + 88)
    bytes.set(1 as UInt32, at: start + 92)
    let checksum = bytes[start..<(start + 96)].withUnsafeBytes { XXH64.hash($0) }
    bytes.set(checksum, at: start + 96)
  }

  /// Seals the blocks that footer and index name, and the footer; nil when a block states a size that is
  /// too large to be read here.
  static func sealed(_ table: [UInt8]) -> [UInt8]? {
    guard table.count >= Footer.byteCount else { return nil }
    var bytes = table
    let start = bytes.count - Footer.byteCount
    let identity = bytes.littleEndian(UInt64.self, at: start + 8)
    bytes.set(UInt64(bytes.count), at: start + 16)
    sealFooter(&bytes, at: start)
    for offset in handleOffsets {
      let handle = Handle(
        bytes.littleEndian(UInt64.self, at: start + offset),
        bytes.littleEndian(UInt64.self, at: start + offset + 8), before: start)
      guard let handle else { continue }
      guard seal(&bytes, handle, identity) else { return nil }
      guard offset == handleOffsets[0],
        let index = TableModel.block(bytes, handle, identity, .index)
      else { continue }
      for entry in index {
        guard let handle = TableModel.handle(entry.value, before: start) else { continue }
        guard seal(&bytes, handle, identity) else { return nil }
      }
      // A data block may have lain over the index.
      guard seal(&bytes, handle, identity) else { return nil }
    }
    return bytes
  }

  private static func seal(_ bytes: inout [UInt8], _ handle: Handle, _ identity: UInt64) -> Bool {
    let tag = handle.end - BlockTrailer.byteCount
    let payload = bytes[handle.begin..<tag]
    let compression = Compression(rawValue: bytes[tag])
    if compression == .zstd || compression == .lz4, CompressedBlockTarget.statesTooMuch(payload) {
      return false
    }
    bytes.replaceSubrange(
      handle.begin..<handle.end,
      with: sealed(Array(payload), compression ?? .none, identity, at: handle.begin))
    return true
  }

  /// A payload with its trailer.
  static func sealed(
    _ payload: [UInt8], _ compression: Compression, _ identity: UInt64, at offset: Int
  ) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(payload)
    BlockTrailer.seal(&writer, compression, identity: identity, offset: UInt64(offset))
    return writer.array()
  }

  /// A block's place that lies inside its table.
  struct Handle {
    let begin: Int
    let end: Int

    init?(_ offset: UInt64, _ byteCount: UInt64, before end: Int) {
      guard byteCount >= UInt64(BlockTrailer.byteCount), byteCount <= UInt64(end),
        offset <= UInt64(end) - byteCount
      else { return nil }
      begin = Int(offset)
      self.end = Int(offset + byteCount)
    }
  }
}
