import CRocksDB
import CRocksDBParts
import Engine

/// The settings RocksDB 7.8 runs with, each with its reason. Only ``RocksDBHandle`` uses it.
///
/// Unsafe island: owns the `rocksdb_options_t`, and the block cache behind it. Both are created in `init`
/// and destroyed in `deinit`, after the database that uses them (``RocksDBHandle`` holds this value).
@safe
struct RocksDBOptions: ~Copyable {
  let options: OpaquePointer
  /// nil: RocksDB makes its own.
  private let cache: OpaquePointer?
  /// Whether reads can be told not to wait for the disk.
  let readsPageCache: Bool

  init(_ engine: EngineOptions, _ settings: RocksDBSettings) {
    // SAFETY: the create functions never return nil; out of memory ends the process inside C++.
    let options = unsafe rocksdb_options_create().unsafelyUnwrapped
    unsafe self.options = options
    readsPageCache = unsafe settings != .defaults && page_cache_files_use(options)
    switch settings {
    case .production, .likeLSM:
      let isLikeLSM = settings == .likeLSM
      let cache = unsafe Self.makeCache(max(engine.cacheSizeBytes, 0), hasLargeShards: isLikeLSM)
      unsafe self.cache = cache
      unsafe setTables(cache, isLikeLSM: isLikeLSM)
      setWrites(engine)
      setLogs(engine)
      setCompaction(engine)
    case .defaults:
      unsafe cache = nil
      unsafe rocksdb_options_set_create_if_missing(options, engine.createIfMissing ? 1 : 0)
    }
  }

  deinit {
    unsafe rocksdb_options_destroy(options)
    if let cache = unsafe cache { unsafe rocksdb_cache_destroy(cache) }
  }

  /// - Parameter hasLargeShards: fewer shards than RocksDB makes, where those could not hold the whole filter of a
  ///   table.
  private static func makeCache(_ bytes: Int, hasLargeShards: Bool) -> OpaquePointer {
    guard hasLargeShards else { return unsafe rocksdb_cache_create_lru(bytes).unsafelyUnwrapped }
    var shardBits: Int32 = 0
    while shardBits < 6, bytes >> (shardBits + 1) >= RocksDBSettings.wholeFilterShardBytes {
      shardBits += 1
    }
    // SAFETY: the cache copies its options.
    let options = unsafe rocksdb_lru_cache_options_create()
    defer { unsafe rocksdb_lru_cache_options_destroy(options) }
    unsafe rocksdb_lru_cache_options_set_capacity(options, bytes)
    unsafe rocksdb_lru_cache_options_set_num_shard_bits(options, shardBits)
    return unsafe rocksdb_cache_create_lru_opts(options).unsafelyUnwrapped
  }

  private func setTables(_ cache: OpaquePointer, isLikeLSM: Bool) {
    // SAFETY: the factory copies the table options; the filter policy becomes theirs, so that it is not
    // destroyed here.
    let table = unsafe rocksdb_block_based_options_create().unsafelyUnwrapped
    defer { unsafe rocksdb_block_based_options_destroy(table) }
    unsafe rocksdb_block_based_options_set_block_cache(table, cache)
    // Blocks of 4 KiB, RocksDB's own size.
    if unsafe !isLikeLSM
      || rocksdb_cache_get_capacity(cache) < RocksDBSettings.wholeFilterShardBytes
    {
      unsafe setPartitions(table)
    }
    // 1 % false positives; one cache line a lookup. Without a prefix extractor the filter
    // holds whole keys, which is what a point read asks for.
    unsafe rocksdb_block_based_options_set_filter_policy(
      table, rocksdb_filterpolicy_create_bloom_full(Double(RocksDBSettings.filterBitsPerKey)))
    unsafe rocksdb_block_based_options_set_whole_key_filtering(table, 1)
    // 5 is the newest format of 7.8 with the cache-line bloom filter.
    unsafe rocksdb_block_based_options_set_format_version(table, 5)
    // Indexes and filters count against the cache, so that memory has one bound. They are evicted last,
    // and those of level 0, which every read passes, never.
    unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
    unsafe rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(
      table, 1)
    unsafe rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
    unsafe rocksdb_options_set_block_based_table_factory(options, table)
    // A read passes the filters of some six tables: those parts that have room in a quarter of the cache stay at hand.
    // Not where db_bench is to have the same settings, by the OPTIONS file, which then has none of tables.
    if !isLikeLSM { _ = unsafe pinned_metadata_use(options) }
    // Every table stays open. Not only for speed: with a bounded table cache, a memory-tier read that
    // meets a closed table answers "found" with an empty value (rocksdb:db/table_cache.cc, Get).
    unsafe rocksdb_options_set_max_open_files(options, -1)
  }

  /// Indexes and filters in parts of 4 KiB, with an index of the parts above them, which stays in memory as
  /// long as its table is open. In one piece a table's filter has a megabyte or more: a small cache has no
  /// room for it (RocksDB divides the cache into up to 64), and a large store's do not fit together, so that
  /// each read would read one whole (docs/decisions/0012-partitioned-filters.md).
  private func setPartitions(_ table: OpaquePointer) {
    unsafe rocksdb_block_based_options_set_index_type(
      table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
    unsafe rocksdb_block_based_options_set_partition_filters(table, 1)
    unsafe rocksdb_block_based_options_set_metadata_block_size(table, 4 << 10)
    unsafe rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
  }

  private func setWrites(_ engine: EngineOptions) {
    unsafe rocksdb_options_set_create_if_missing(options, engine.createIfMissing ? 1 : 0)
    unsafe rocksdb_options_set_write_buffer_size(options, max(engine.memtableSizeBytes, 64 << 10))
    // Four: one is written to while flushes of others catch up with a burst.
    unsafe rocksdb_options_set_max_write_buffer_number(options, 4)
    // After an error in the background no write is taken, and wrong table order or checksums fail the
    // open instead of an answer later.
    unsafe rocksdb_options_set_paranoid_checks(options, 1)
    // Files that a released iterator was the last to hold are deleted by a background thread: reads run on
    // event loops, which must not wait for an unlink.
    unsafe rocksdb_options_set_avoid_unnecessary_blocking_io(options, 1)
  }

  private func setLogs(_ engine: EngineOptions) {
    // The default of RocksDB (point in time) drops everything after a damaged record without a word,
    // writes that were acknowledged among it. Here only a cut-off tail is dropped: what a crash leaves.
    let recovery =
      switch engine.logRecovery {
      case .tornTailOnly: rocksdb_tolerate_corrupted_tail_records_recovery
      case .pointInTime: rocksdb_point_in_time_recovery
      }
    unsafe rocksdb_options_set_wal_recovery_mode(options, Int32(recovery))
    // In a recycled log the records of its former life are after the end, and a bad checksum no longer
    // tells the end from rot.
    unsafe rocksdb_options_set_recycle_log_file_num(options, 0)
    // No background writeback of the log: it could make a newer log durable before an older one
    // (facebook/rocksdb#10185). Tables are written back as they grow, so that their fsync is short.
    unsafe rocksdb_options_set_wal_bytes_per_sync(options, 0)
    unsafe rocksdb_options_set_bytes_per_sync(options, 1 << 20)
    // Bounds the time of an open after a crash.
    unsafe rocksdb_options_set_max_total_wal_size(options, 1 << 30)
    // Each open, and each look of a tool beside the server, reads all of it.
    unsafe rocksdb_options_set_max_manifest_file_size(options, 4 << 20)
    // RocksDB's own log of events: four files of 4 MiB, warnings and errors, no periodic dumps.
    unsafe rocksdb_options_set_info_log_level(options, 2)
    unsafe rocksdb_options_set_max_log_file_size(options, 4 << 20)
    unsafe rocksdb_options_set_keep_log_file_num(options, 4)
    unsafe rocksdb_options_set_stats_dump_period_sec(options, 0)
    unsafe rocksdb_options_set_stats_persist_period_sec(options, 0)
  }

  private func setCompaction(_ engine: EngineOptions) {
    // Level sizes are derived from the last level: about 1.1 bytes on disk for one of data, where fixed
    // sizes reach 2, and deletes soon meet what they delete.
    unsafe rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
    unsafe rocksdb_options_set_max_background_jobs(
      options, Int32(clamping: max(engine.backgroundJobs, 2)))
    // The two upper levels are rewritten most often and hold little: a cheap codec in any case.
    let upper = Int32(rocksdb_lz4_compression)
    let lower = Int32(
      engine.compression == .zstd ? rocksdb_zstd_compression : rocksdb_lz4_compression)
    let levels = [upper, upper, lower, lower, lower, lower, lower]
    unsafe rocksdb_options_set_compression_per_level(options, levels, levels.count)
    unsafe rocksdb_options_set_bottommost_compression(options, lower)
  }
}
