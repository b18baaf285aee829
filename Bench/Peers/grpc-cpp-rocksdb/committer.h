#ifndef PEER_COMMITTER_H_
#define PEER_COMMITTER_H_

#include <grpcpp/grpcpp.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

// Group commit: the changes of all calls that wait while one write is under way
// become the next write, on a thread of its own.
//
// gRPC has only a few threads for callbacks, which must not wait for an fsync.
// A pool of threads, on which RocksDB forms the groups itself, does half as
// many writes a second.
class Committer {
 public:
  Committer(rocksdb::DB* db, bool sync);
  // Waits until everything is written.
  ~Committer();

  // Lets `add_changes` add to a WriteBatch&, and finishes the call once they
  // are written. Thread-safe.
  template <typename AddChanges>
  void Commit(grpc::ServerUnaryReactor* reactor, AddChanges add_changes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      add_changes(waiting_.changes);
      waiting_.calls.push_back(reactor);
    }
    wake_.notify_one();
  }

 private:
  struct Group {
    rocksdb::WriteBatch changes;
    std::vector<grpc::ServerUnaryReactor*> calls;
  };

  void Run();
  void Write(Group& group);

  rocksdb::DB* const db_;
  rocksdb::WriteOptions write_options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Group waiting_;          // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

#endif  // PEER_COMMITTER_H_
