#include "database_service.h"

#include <memory>
#include <string>
#include <vector>

#include "store.h"

namespace {

using database::Dog;
using database::Dogs;
using database::Empty;
using database::IndexQuery;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;
using grpc::Status;
using grpc::StatusCode;
using rocksdb::Slice;

constexpr size_t kMaxPkBytes = 4096;

// The keys from `begin` on and below `end`.
struct KeyRange {
  std::string begin;
  std::string end;
};

// What a query asks for that is not about one key.
KeyRange RangeOf(const IndexQuery& query) {
  // Above every key, since no UTF-8 text has a byte FF.
  const std::string above_all = "\xff";
  switch (query.expression_case()) {
    case IndexQuery::kGte:
      return {query.gte(), above_all};
    case IndexQuery::kLte:
      return {"", query.lte() + '\0'};
    default:
      return {query.begins_with(), query.begins_with() + above_all};
  }
}

Status CheckPk(const std::string& pk) {
  if (pk.empty()) return Status(StatusCode::INVALID_ARGUMENT, "pk is empty");
  if (pk.size() > kMaxPkBytes) {
    return Status(StatusCode::INVALID_ARGUMENT, "pk is longer than 4096 bytes");
  }
  return Status::OK;
}

Status CheckQuery(const IndexQuery& query) {
  if (query.has_eq()) return CheckPk(query.eq());
  if (query.expression_case() != IndexQuery::EXPRESSION_NOT_SET) {
    return Status::OK;
  }
  return Status(StatusCode::INVALID_ARGUMENT,
                "set one of eq, gte, lte, begins_with");
}

Status AddRecord(const Slice& record, Dogs* dogs) {
  if (!dogs->add_dogs()->ParseFromArray(record.data(), record.size())) {
    return Status(StatusCode::DATA_LOSS, "a stored record is damaged");
  }
  return Status::OK;
}

ServerUnaryReactor* Finish(CallbackServerContext* context,
                           const Status& status) {
  ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace

DatabaseService::DatabaseService(rocksdb::DB* db, Committer* committer)
    : db_(db), committer_(committer) {
  SetMessageAllocatorFor_GetDogsByPk(&get_messages_);
  SetMessageAllocatorFor_BatchPutDogs(&batch_messages_);
}

ServerUnaryReactor* DatabaseService::GetDogsByPk(CallbackServerContext* context,
                                                 const IndexQuery* query,
                                                 Dogs* dogs) {
  const Status checked = CheckQuery(*query);
  if (!checked.ok()) return Finish(context, checked);
  return Finish(context,
                query->has_eq() ? Get(query->eq(), dogs) : Scan(*query, dogs));
}

ServerUnaryReactor* DatabaseService::DeleteDogsByPk(
    CallbackServerContext* context, const IndexQuery* query, Empty*) {
  const Status checked = CheckQuery(*query);
  if (!checked.ok()) return Finish(context, checked);
  ServerUnaryReactor* reactor = context->DefaultReactor();
  committer_->Commit(reactor, [&](rocksdb::WriteBatch& changes) {
    if (query->has_eq()) {
      changes.Delete(query->eq());
    } else {
      const KeyRange range = RangeOf(*query);
      changes.DeleteRange(range.begin, range.end);
    }
  });
  return reactor;
}

ServerUnaryReactor* DatabaseService::PutDog(CallbackServerContext* context,
                                            const Dog* dog, Empty*) {
  const Status checked = CheckPk(dog->pk());
  if (!checked.ok()) return Finish(context, checked);
  const std::string record = dog->SerializeAsString();
  ServerUnaryReactor* reactor = context->DefaultReactor();
  committer_->Commit(reactor, [&](rocksdb::WriteBatch& changes) {
    changes.Put(dog->pk(), record);
  });
  return reactor;
}

ServerUnaryReactor* DatabaseService::BatchPutDogs(
    CallbackServerContext* context, const Dogs* dogs, Empty*) {
  std::vector<std::string> records;
  records.reserve(dogs->dogs_size());
  for (const Dog& dog : dogs->dogs()) {
    const Status checked = CheckPk(dog.pk());
    if (!checked.ok()) return Finish(context, checked);
    records.push_back(dog.SerializeAsString());
  }
  ServerUnaryReactor* reactor = context->DefaultReactor();
  committer_->Commit(reactor, [&](rocksdb::WriteBatch& changes) {
    for (int i = 0; i < dogs->dogs_size(); ++i) {
      changes.Put(dogs->dogs(i).pk(), records[i]);
    }
  });
  return reactor;
}

Status DatabaseService::Get(const std::string& pk, Dogs* dogs) const {
  rocksdb::PinnableSlice record;
  const rocksdb::Status found =
      db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), pk, &record);
  if (found.IsNotFound()) return Status::OK;
  return found.ok() ? AddRecord(record, dogs) : ToGrpcStatus(found);
}

Status DatabaseService::Scan(const IndexQuery& query, Dogs* dogs) const {
  const KeyRange range = RangeOf(query);
  const Slice end = range.end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end;
  const std::unique_ptr<rocksdb::Iterator> records(db_->NewIterator(options));
  for (records->Seek(range.begin); records->Valid(); records->Next()) {
    const Status added = AddRecord(records->value(), dogs);
    if (!added.ok()) return added;
  }
  return records->status().ok() ? Status::OK : ToGrpcStatus(records->status());
}
