// System calls that glibc declares only under _GNU_SOURCE, which Swift's import of it does not set.
#include <sys/syscall.h>
#include <unistd.h>

// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begins to write the dirty pages of a range, does not wait.
static inline long linux_start_writeback(int descriptor, long long offset, long long count) {
  return syscall(SYS_sync_file_range, descriptor, offset, count, 2);
}
