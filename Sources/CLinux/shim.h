// System calls that glibc declares only under _GNU_SOURCE, which Swift's import of it does not set.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begins to write the dirty pages of a range, does not wait.
static inline long linux_start_writeback(int descriptor, long long offset, long long count) {
  return syscall(SYS_sync_file_range, descriptor, offset, count, 2);
}

// preadv2(2) with RWF_NOWAIT: reads what the page cache has and does not wait for the disk. Where the file system or the
// kernel cannot do that it fails, with EOPNOTSUPP or ENOSYS.
static inline long linux_read_cached(int descriptor, void *buffer, unsigned long count, long long offset) {
  struct iovec piece = {buffer, count};
  return syscall(SYS_preadv2, descriptor, &piece, 1, (unsigned long)offset, 0UL, 8);
}

// prctl(2) with PR_SET_TIMERSLACK, which is variadic: how late the calling thread's sleeps may end, in nanoseconds.
static inline int linux_set_timer_slack(unsigned long nanoseconds) {
  return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

// prctl(2) with PR_SET_NAME: the calling thread's name, of at most 15 bytes.
static inline int linux_set_thread_name(const char *name) {
  return prctl(PR_SET_NAME, name, 0, 0, 0);
}

// Has the processor fetch the cache line of an address, which need not be a valid one, without waiting for it.
static inline void linux_prefetch(const void *address) {
  __builtin_prefetch(address);
}
