// Tables whose indexes and filters stay in the block cache, while there is room for them.
//
// A read passes the filter of one table of each level, and asks the block cache for its parts each time: a lock and some
// lines of cold memory, some fifteen times a read. RocksDB can keep the parts of a table at hand for as long as it is
// open, which spares that. But it does so for all tables or for none, and those of a large store leave no room for
// records, or are more than the cache. So it is decided table by table, when one is opened.
//
// The OPTIONS file, which RocksDB writes for people and does not read, has no options of tables for that.
#include "rocksdb_parts.h"

#include <memory>
#include <string>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/table.h>

#include "options.h"

namespace {

using rocksdb::BlockBasedTableOptions;
using rocksdb::ConfigOptions;
using rocksdb::PinningTier;
using rocksdb::Status;
using rocksdb::TableFactory;

// What indexes and filters may take of the cache: one part of so many.
constexpr size_t kShare = 4;
// Those of a table are about one part of so many of it: 1.25 and 0.7 MB of 70, with records of 116 bytes.
constexpr uint64_t kShareOfTable = 32;

class PinnedMetadata final : public TableFactory {
 public:
  PinnedMetadata(std::shared_ptr<TableFactory> plain, const BlockBasedTableOptions &options)
      : plain_(std::move(plain)), cache_(options.block_cache) {
    BlockBasedTableOptions pinned = options;
    pinned.metadata_cache_options.top_level_index_pinning = PinningTier::kAll;
    pinned.metadata_cache_options.partition_pinning = PinningTier::kAll;
    pinned.metadata_cache_options.unpartitioned_pinning = PinningTier::kAll;
    pinned_.reset(rocksdb::NewBlockBasedTableFactory(pinned));
  }

  // The tables are those of the plain one, and whoever asks for its options gets them.
  const char *Name() const override { return plain_->Name(); }
  const Customizable *Inner() const override { return plain_.get(); }

  Status PrepareOptions(const ConfigOptions &options) override {
    Status status = pinned_->PrepareOptions(options);
    return status.ok() ? plain_->PrepareOptions(options) : status;
  }

  Status ValidateOptions(const rocksdb::DBOptions &database,
                         const rocksdb::ColumnFamilyOptions &family) const override {
    return plain_->ValidateOptions(database, family);
  }

  std::string GetPrintableOptions() const override { return plain_->GetPrintableOptions(); }

  using TableFactory::NewTableReader;
  Status NewTableReader(const rocksdb::ReadOptions &read, const rocksdb::TableReaderOptions &table,
                        std::unique_ptr<rocksdb::RandomAccessFileReader> &&file,
                        uint64_t file_size, std::unique_ptr<rocksdb::TableReader> *reader,
                        bool prefetches_metadata) const override {
    const bool has_room = cache_->GetPinnedUsage() + file_size / kShareOfTable <=
                          cache_->GetCapacity() / kShare;
    const TableFactory &factory = has_room ? *pinned_ : *plain_;
    return factory.NewTableReader(read, table, std::move(file), file_size, reader,
                                  prefetches_metadata);
  }

  rocksdb::TableBuilder *NewTableBuilder(const rocksdb::TableBuilderOptions &options,
                                         rocksdb::WritableFileWriter *file) const override {
    return plain_->NewTableBuilder(options, file);
  }

  bool IsDeleteRangeSupported() const override { return plain_->IsDeleteRangeSupported(); }

 private:
  const std::shared_ptr<TableFactory> plain_;
  std::shared_ptr<TableFactory> pinned_;
  const std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace

bool pinned_metadata_use(rocksdb_options_t *options) {
  auto *own = cpp_options(options);
  if (own == nullptr || own->table_factory == nullptr) return false;
  const auto *tables = own->table_factory->GetOptions<BlockBasedTableOptions>();
  if (tables == nullptr || tables->block_cache == nullptr) return false;
  own->table_factory = std::make_shared<PinnedMetadata>(own->table_factory, *tables);
  return true;
}
