// epoll(7), which Swift's import of glibc leaves out. By the kernel's own header and system calls: glibc's header
// brings types along that belong to Swift's module of glibc.
#include <linux/eventpoll.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <unistd.h>

enum : unsigned { linux_epoll_in = 1, linux_epoll_out = 4 };

static inline int linux_epoll_create(void) {
  return (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
}

static inline int linux_epoll_add(int epoll, int descriptor, unsigned events, unsigned long long data) {
  struct epoll_event event = {events, data};
  return (int)syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int linux_epoll_change(int epoll, int descriptor, unsigned events, unsigned long long data) {
  struct epoll_event event = {events, data};
  return (int)syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, descriptor, &event);
}

// epoll_pwait2(2), of Linux 5.11: a timeout in nanoseconds. -1 and errno as usual.
static inline int linux_epoll_wait(
    int epoll, struct epoll_event *events, int count, unsigned long long nanoseconds) {
  struct __kernel_timespec timeout = {
      (long long)(nanoseconds / 1000000000), (long long)(nanoseconds % 1000000000)};
  return (int)syscall(SYS_epoll_pwait2, epoll, events, count, &timeout, 0, 0);
}
