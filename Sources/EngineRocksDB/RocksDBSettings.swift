/// Which settings RocksDB runs with. Other ones than ``production`` are for benchmarks; no flag of the server reaches
/// them.
package enum RocksDBSettings: Sendable {
  /// Those chosen for seandb, each with its reason: ``RocksDBOptions``.
  case production
  /// The same, with an index and a filter for each table as a whole, as our own tree has them, in a cache of few shards
  /// that can hold them. To compare the two with what they both do the same way, and RocksDB as fast as it can be.
  case likeLSM
  /// RocksDB's own: those it has when nothing is set. Of `EngineOptions` only `createIfMissing`, `isReadOnly`
  /// and `rangeDeletesBeforeFlush` hold then: cache, memtable, recovery and the rest are as RocksDB has them, so
  /// the durability of `StorageEngine` is not promised. To measure what the production settings are worth.
  case defaults

  /// Of the production settings' bloom filters: 1 % false positives.
  package static let filterBitsPerKey = 10
  /// The least shard of a cache that holds whole filters and indexes: those of a table of 64 MiB with a million
  /// records of 116 bytes have 1.25 and 0.4 MB. Smaller ones would not cache them, and each read would read one
  /// whole (docs/decisions/0012-partitioned-filters.md).
  static let wholeFilterShardBytes = 4 << 20
}
