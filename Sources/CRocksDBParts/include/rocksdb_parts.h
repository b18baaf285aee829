// What RocksDB offers to C++ alone.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// As rocksdb/c.h has it.
typedef struct rocksdb_options_t rocksdb_options_t;

// Has a database that is opened with these options read its tables through a file system whose reads can be told not to
// wait for the disk. It is RocksDB's own for everything else. It lives until the process ends.
//
// Returns false, with the options unchanged, when `options` are not what RocksDB 7.8's C interface makes: then reads
// wait for the disk as they did.
bool page_cache_files_use(rocksdb_options_t *options);

// Until the next call, a read of a table by the calling thread fails with "Result incomplete" where the page cache of
// the operating system does not have all of it, instead of waiting for the disk.
void page_cache_files_set_waiting(bool may_wait);

// Has a database that is opened with these options keep indexes and filters of its tables in the block cache for as
// long as the tables are open, while they take at most a quarter of it. Those of tables that are opened later come and
// go as blocks do.
//
// To be called after the block-based tables are set. Returns false, with the options unchanged, when there are none, or
// no block cache, or the options are not what RocksDB 7.8's C interface makes.
bool pinned_metadata_use(rocksdb_options_t *options);

#ifdef __cplusplus
}
#endif
