// RocksDB's files, of which tables can be read without waiting for the disk.
//
// RocksDB knows two kinds of reads: those of its own block cache only, and those that wait for the disk. Between the two
// is the page cache of the operating system: preadv2(2) with RWF_NOWAIT reads what is there and does not wait. The
// file system is the one place where RocksDB lets a read be changed, and only from C++.
#include "rocksdb_parts.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/io_status.h>
#include <rocksdb/slice.h>

#include "options.h"

namespace {

using rocksdb::FileOptions;
using rocksdb::FileSystem;
using rocksdb::FSRandomAccessFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// What a thread that must not wait reads at most: a copy of more takes too long where others wait for the thread.
constexpr size_t kLargestCachedRead = 64 << 10;

// Of the calling thread.
thread_local bool may_wait = true;

// A table. Every call from any thread.
class TableFile final : public FSRandomAccessFile {
 public:
  // Takes `descriptor` over.
  TableFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~TableFile() override { close(descriptor_); }
  TableFile(const TableFile &) = delete;
  TableFile &operator=(const TableFile &) = delete;

  // A short result is the end of the file.
  IOStatus Read(uint64_t offset, size_t count, const IOOptions &, Slice *result, char *scratch,
                IODebugContext *) const override {
    *result = Slice();
    return may_wait ? ReadAll(offset, count, result, scratch)
                    : ReadCached(offset, count, result, scratch);
  }

  // Iterators ask for what they will read next. A thread that must not wait does without.
  IOStatus Prefetch(uint64_t offset, size_t count, const IOOptions &, IODebugContext *) override {
    if (may_wait && readahead(descriptor_, static_cast<off64_t>(offset), count) != 0) {
      return Failure("While prefetching offset " + std::to_string(offset));
    }
    return IOStatus::OK();
  }

  void Hint(AccessPattern pattern) override {
    switch (pattern) {
      case kNormal: Advise(POSIX_FADV_NORMAL); break;
      case kRandom: Advise(POSIX_FADV_RANDOM); break;
      case kSequential: Advise(POSIX_FADV_SEQUENTIAL); break;
      case kWillNeed: Advise(POSIX_FADV_WILLNEED); break;
      case kWontNeed: Advise(POSIX_FADV_DONTNEED); break;
    }
  }

  IOStatus InvalidateCache(size_t offset, size_t count) override {
    int error = posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(count),
                              POSIX_FADV_DONTNEED);
    if (error == 0) return IOStatus::OK();
    errno = error;
    return Failure("While fadvise DONTNEED");
  }

 private:
  IOStatus ReadAll(uint64_t offset, size_t count, Slice *result, char *scratch) const {
    size_t done = 0;
    while (done < count) {
      ssize_t read = pread(descriptor_, scratch + done, count - done,
                           static_cast<off_t>(offset + done));
      if (read < 0 && errno == EINTR) continue;
      if (read < 0) {
        return Failure("While pread offset " + std::to_string(offset) + " len " +
                       std::to_string(count));
      }
      if (read == 0) break;
      done += static_cast<size_t>(read);
    }
    *result = Slice(scratch, done);
    return IOStatus::OK();
  }

  // Any failure is left to the read that may wait, which says what it is.
  IOStatus ReadCached(uint64_t offset, size_t count, Slice *result, char *scratch) const {
    if (count <= kLargestCachedRead) {
      iovec piece = {scratch, count};
      ssize_t read = preadv2(descriptor_, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
      if (read == static_cast<ssize_t>(count)) {
        *result = Slice(scratch, count);
        return IOStatus::OK();
      }
    }
    return rocksdb::status_to_io_status(rocksdb::Status::Incomplete());
  }

  void Advise(int advice) const { (void)posix_fadvise(descriptor_, 0, 0, advice); }

  // In the words of RocksDB's own files.
  IOStatus Failure(const std::string &what) const {
    return IOStatus::IOError(what + ": " + path_, strerror(errno));
  }

  const std::string path_;
  const int descriptor_;
};

class PageCacheFiles final : public rocksdb::FileSystemWrapper {
 public:
  PageCacheFiles() : FileSystemWrapper(FileSystem::Default()) {}

  const char *Name() const override { return "PageCacheFiles"; }

  IOStatus NewRandomAccessFile(const std::string &path, const FileOptions &options,
                               std::unique_ptr<FSRandomAccessFile> *result,
                               IODebugContext *debug) override {
    if (!options.use_direct_reads && !options.use_mmap_reads) {
      int descriptor;
      do {
        descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      } while (descriptor < 0 && errno == EINTR);
      if (descriptor >= 0) {
        result->reset(new TableFile(path, descriptor));
        return IOStatus::OK();
      }
    }
    // Says why it cannot be opened.
    return target()->NewRandomAccessFile(path, options, result, debug);
  }
};

// Never destroyed: background threads may use it while the process ends.
rocksdb::Env *TheEnv() {
  static rocksdb::Env *const env =
      rocksdb::NewCompositeEnv(std::make_shared<PageCacheFiles>()).release();
  return env;
}

}  // namespace

bool page_cache_files_use(rocksdb_options_t *options) {
  auto *own = cpp_options(options);
  if (own == nullptr || own->env != rocksdb::Env::Default()) return false;
  own->env = TheEnv();
  return true;
}

void page_cache_files_set_waiting(bool thread_may_wait) { may_wait = thread_may_wait; }
