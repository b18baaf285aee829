import CRocksDB
import CRocksDBParts
import Testing

/// Which parts of the block cache are for indexes and filters of open tables.
@Suite("RocksDB: pinned metadata") struct PinnedMetadataTests {
  /// Bytes of the cache that stay, with one table of 20,000 records and nobody who reads.
  private func pinnedBytes(cacheBytes: Int, isUsed: Bool) throws -> UInt64 {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let options = try #require(rocksdb_options_create())
    defer { rocksdb_options_destroy(options) }
    let cache = try #require(rocksdb_cache_create_lru(cacheBytes))
    defer { rocksdb_cache_destroy(cache) }
    let tables = try #require(rocksdb_block_based_options_create())
    defer { rocksdb_block_based_options_destroy(tables) }
    rocksdb_block_based_options_set_block_cache(tables, cache)
    rocksdb_block_based_options_set_filter_policy(
      tables, rocksdb_filterpolicy_create_bloom_full(10))
    rocksdb_block_based_options_set_index_type(
      tables, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
    rocksdb_block_based_options_set_partition_filters(tables, 1)
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(tables, 1)
    rocksdb_options_set_block_based_table_factory(options, tables)
    rocksdb_options_set_create_if_missing(options, 1)
    if isUsed { #expect(pinned_metadata_use(options)) }

    var message: UnsafeMutablePointer<CChar>?
    let database = try #require(rocksdb_open(options, directory.path("data"), &message))
    defer { rocksdb_close(database) }
    let writes = rocksdb_writeoptions_create()
    defer { rocksdb_writeoptions_destroy(writes) }
    let value = [CChar](repeating: 1, count: 100)
    for index in 0..<20_000 {
      let key = Array("key-\(100_000 + index)".utf8CString.dropLast())
      rocksdb_put(database, writes, key, key.count, value, value.count, &message)
    }
    let flush = rocksdb_flushoptions_create()
    defer { rocksdb_flushoptions_destroy(flush) }
    rocksdb_flush(database, flush, &message)
    #expect(message == nil)
    var bytes: UInt64 = 0
    #expect(rocksdb_property_int(database, "rocksdb.block-cache-pinned-usage", &bytes) == 0)
    return bytes
  }

  /// 10 bits a record for the filter, and the index beside it.
  @Test func staysWhileItsTableIsOpen() throws {
    #expect(try pinnedBytes(cacheBytes: 8 << 20, isUsed: true) > 25_000)
    #expect(try pinnedBytes(cacheBytes: 8 << 20, isUsed: false) < 5000)
  }

  @Test func takesNoMoreThanAQuarterOfTheCache() throws {
    #expect(try pinnedBytes(cacheBytes: 32 << 10, isUsed: true) < 8 << 10)
  }

  @Test func needsTablesWithACache() throws {
    let options = try #require(rocksdb_options_create())
    defer { rocksdb_options_destroy(options) }
    let tables = try #require(rocksdb_block_based_options_create())
    defer { rocksdb_block_based_options_destroy(tables) }
    rocksdb_block_based_options_set_no_block_cache(tables, 1)
    rocksdb_options_set_block_based_table_factory(options, tables)
    #expect(!pinned_metadata_use(options))
  }
}
