#include "store.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

namespace {

// The settings, with their reasons, are those of
// Sources/EngineRocksDB/RocksDBOptions.swift, in its order.
rocksdb::Options MakeOptions(const Flags& flags) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(flags.cache_size);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.format_version = 5;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 4 << 10;
  table.pin_top_level_index_and_filter = true;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;

  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.max_open_files = -1;

  options.create_if_missing = true;
  options.write_buffer_size = flags.memtable_size;
  options.max_write_buffer_number = 4;
  options.paranoid_checks = true;
  options.avoid_unnecessary_blocking_io = true;

  options.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.recycle_log_file_num = 0;
  options.wal_bytes_per_sync = 0;
  options.bytes_per_sync = 1 << 20;
  options.max_total_wal_size = 1 << 30;
  options.max_manifest_file_size = 4 << 20;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 4 << 20;
  options.keep_log_file_num = 4;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;

  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kLZ4Compression;
  options.bottommost_compression = rocksdb::kLZ4Compression;
  return options;
}

grpc::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsCorruption()) return grpc::StatusCode::DATA_LOSS;
  if (status.IsNoSpace()) return grpc::StatusCode::RESOURCE_EXHAUSTED;
  if (status.IsIOError() || status.IsShutdownInProgress()) {
    return grpc::StatusCode::UNAVAILABLE;
  }
  return grpc::StatusCode::INTERNAL;
}

}  // namespace

rocksdb::Status OpenStore(const Flags& flags,
                          std::unique_ptr<rocksdb::DB>* db) {
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(MakeOptions(flags), flags.data, &opened);
  db->reset(opened);
  return status;
}

grpc::Status ToGrpcStatus(const rocksdb::Status& status) {
  return grpc::Status(CodeOf(status), status.ToString());
}
