#ifndef PEER_STORE_H_
#define PEER_STORE_H_

#include <grpcpp/support/status.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>

#include "flags.h"

// Opens or creates the database, with the settings of seandb's RocksDB engine.
rocksdb::Status OpenStore(const Flags& flags, std::unique_ptr<rocksdb::DB>* db);

// What a client is told of a status that is not OK.
grpc::Status ToGrpcStatus(const rocksdb::Status& status);

#endif  // PEER_STORE_H_
