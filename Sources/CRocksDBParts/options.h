// The way from the options of RocksDB's C interface to those of C++, which the C interface does not have.
#pragma once

#include <rocksdb/c.h>
#include <rocksdb/options.h>
#include <rocksdb/version.h>

// Returns nullptr when `options` are not what RocksDB 7.8's C interface makes.
//
// `rocksdb_options_t` has been a struct of `rocksdb::Options` alone since there is one; values that are written there
// and read here show that it is.
static inline rocksdb::Options *cpp_options(rocksdb_options_t *options) {
  static_assert(ROCKSDB_MAJOR == 7 && ROCKSDB_MINOR == 8, "look at rocksdb_options_t in db/c.cc");
  auto *own = reinterpret_cast<rocksdb::Options *>(options);
  const uint64_t log = rocksdb_options_get_max_total_wal_size(options);
  const size_t buffer = rocksdb_options_get_write_buffer_size(options);
  if (own->max_total_wal_size != log || own->write_buffer_size != buffer) return nullptr;
  rocksdb_options_set_max_total_wal_size(options, log ^ 0x5ea);
  rocksdb_options_set_write_buffer_size(options, buffer ^ 0x5ea);
  const bool is_known =
      own->max_total_wal_size == (log ^ 0x5ea) && own->write_buffer_size == (buffer ^ 0x5ea);
  rocksdb_options_set_max_total_wal_size(options, log);
  rocksdb_options_set_write_buffer_size(options, buffer);
  return is_known ? own : nullptr;
}
