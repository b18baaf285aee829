/// How a block's payload is stored. The raw values are on disk.
package enum Compression: UInt8, Sendable, CaseIterable {
  /// As it is.
  case none = 0
  /// `[u32: size before compression] [zstd frame]`. Smallest.
  case zstd = 1
  /// `[u32: size before compression] [u32: bytes of the LZ4 block] [LZ4 block]`: fastest to read. Only in tables of
  /// version 2, see ``Footer``. An LZ4 block does not tell where it ends; its length is there for a search of the
  /// blocks without an index.
  case lz4 = 2

  /// The largest block that is compressed, and the largest data block; one huge entry may come near to it.
  package static let maximumBlockBytes = 1 << 30

  /// Bytes in front of what the codec made. All integers are little-endian.
  var headerBytes: Int {
    switch self {
    case .none: 0
    case .zstd: 4
    case .lz4: 8
    }
  }
}
