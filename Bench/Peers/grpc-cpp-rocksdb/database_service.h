#ifndef PEER_DATABASE_SERVICE_H_
#define PEER_DATABASE_SERVICE_H_

#include <grpcpp/grpcpp.h>
#include <rocksdb/db.h>

#include "arena_allocator.h"
#include "committer.h"
#include "database.grpc.pb.h"

// The service of database.proto over RocksDB: a record is stored, as protobuf
// bytes, under its pk.
class DatabaseService final : public database::Database::CallbackService {
 public:
  // Both must outlive the service.
  DatabaseService(rocksdb::DB* db, Committer* committer);

  grpc::ServerUnaryReactor* GetDogsByPk(grpc::CallbackServerContext* context,
                                        const database::IndexQuery* query,
                                        database::Dogs* dogs) override;
  grpc::ServerUnaryReactor* DeleteDogsByPk(grpc::CallbackServerContext* context,
                                           const database::IndexQuery* query,
                                           database::Empty*) override;
  grpc::ServerUnaryReactor* PutDog(grpc::CallbackServerContext* context,
                                   const database::Dog* dog,
                                   database::Empty*) override;
  grpc::ServerUnaryReactor* BatchPutDogs(grpc::CallbackServerContext* context,
                                         const database::Dogs* dogs,
                                         database::Empty*) override;

 private:
  grpc::Status Get(const std::string& pk, database::Dogs* dogs) const;
  grpc::Status Scan(const database::IndexQuery& query,
                    database::Dogs* dogs) const;

  rocksdb::DB* const db_;
  Committer* const committer_;
  ArenaAllocator<database::IndexQuery, database::Dogs> get_messages_;
  ArenaAllocator<database::Dogs, database::Empty> batch_messages_;
};

#endif  // PEER_DATABASE_SERVICE_H_
