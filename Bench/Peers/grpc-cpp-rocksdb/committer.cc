#include "committer.h"

#include <utility>

#include "store.h"

Committer::Committer(rocksdb::DB* db, bool sync) : db_(db) {
  write_options_.sync = sync;
  thread_ = std::thread([this] { Run(); });
}

Committer::~Committer() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Committer::Run() {
  Group group;
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.calls.empty(); });
      if (waiting_.calls.empty()) return;
      std::swap(group, waiting_);
    }
    Write(group);
    group.changes.Clear();
    group.calls.clear();
  }
}

void Committer::Write(Group& group) {
  const rocksdb::Status written = db_->Write(write_options_, &group.changes);
  const grpc::Status status =
      written.ok() ? grpc::Status::OK : ToGrpcStatus(written);
  for (grpc::ServerUnaryReactor* call : group.calls) call->Finish(status);
}
