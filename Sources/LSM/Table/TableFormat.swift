/// A table: a file of sorted entries that never changes once it is written.
///
///     +------------------+---------------------------------------------------------------------+
///     | data block 0 ... | entries, sorted by internal key                        (BlockBuilder) |
///     | data block n     |                                                                     |
///     +------------------+---------------------------------------------------------------------+
///     | range tombstones | lower bound -> upper bound, by restart interval 1; if any           |
///     | filter           | bloom filter over the user keys of the data blocks; if any (BloomFilter) |
///     | index            | a separator for each data block -> BlockHandle; restart interval 1  |
///     | properties       | counts and bounds                                 (TableProperties) |
///     | footer           | 112 bytes: where the four above are                        (Footer) |
///     +------------------+---------------------------------------------------------------------+
///
/// Every block is followed by a ``BlockTrailer``; blocks lie one after the other without gaps. A
/// separator is at or after all keys of its block and before all keys of the next. Data blocks,
/// index and range tombstones may be compressed; filter and properties are not.
package enum TableFormat {
  /// "SEANTABL", as bytes.
  static let magic: UInt64 = 0x4C42_4154_4E41_4553
  /// Of tables whose blocks are raw or of zstd.
  static let version: UInt32 = 1
  /// Of tables with a block of LZ4, which programs that know version 1 alone refuse by name.
  static let versionWithLZ4: UInt32 = 2
  /// The longest user key: a block must be able to hold any entry.
  package static let maximumKeyBytes = 1 << 24
  /// The largest key and value together: alone in a data block, with the block's frame.
  package static let maximumEntryBytes = Compression.maximumBlockBytes - (1 << 16)
  /// The largest index or range-tombstone block: offsets inside a block have 32 bits. Over
  /// ``Compression/maximumBlockBytes`` it is stored as it is.
  static let maximumIndexBytes = Int(UInt32.max)
  /// The most that an entry of an index or a range-tombstone block takes besides its keys.
  static let indexEntryOverheadBytes = 40
}

/// How a table is written. Readers need none of it.
package struct TableOptions: Sendable {
  /// Bytes of a data block before compression at which it ends. Default 4 KiB. Smaller blocks make
  /// point reads cheaper, larger ones compress better and need a smaller index.
  package var blockBytes = 4 << 10
  /// Entries from one restart point to the next. Default 16. Fewer make seeks shorter, more save
  /// space.
  package var restartInterval = 16
  /// Default LZ4. zstd saves an eighth of the space, or more, and a read that misses the cache costs twice as much.
  package var compression = Compression.lz4
  /// Bits of bloom filter a user key. Default 10 (1 % of lookups of missing keys read a block); 0
  /// writes no filter.
  package var filterBitsPerKey = 10

  package init() {}
}
