// epoll(7), which Swift's import of glibc leaves out. By system calls and declarations of its own: the headers of glibc
// and the kernel bring types along that belong to Swift's module of glibc.
#include <sys/syscall.h>
#include <unistd.h>

// struct epoll_event of linux/eventpoll.h.
struct linux_epoll_event {
  unsigned events;
  unsigned long long data;
}
#ifdef __x86_64__
__attribute__((packed))
#endif
;

enum : unsigned { linux_epoll_in = 1, linux_epoll_out = 4 };

static inline int linux_epoll_create(void) {
  enum { close_on_exec = 02000000 };
  return (int)syscall(SYS_epoll_create1, close_on_exec);
}

static inline int linux_epoll_add(int epoll, int descriptor, unsigned events, unsigned long long data) {
  enum { add = 1 };
  struct linux_epoll_event event = {events, data};
  return (int)syscall(SYS_epoll_ctl, epoll, add, descriptor, &event);
}

static inline int linux_epoll_change(int epoll, int descriptor, unsigned events, unsigned long long data) {
  enum { modify = 3 };
  struct linux_epoll_event event = {events, data};
  return (int)syscall(SYS_epoll_ctl, epoll, modify, descriptor, &event);
}

// epoll_pwait2(2), of Linux 5.11: a timeout in nanoseconds. -1 and errno as usual.
static inline int linux_epoll_wait(
    int epoll, struct linux_epoll_event *events, int count, unsigned long long nanoseconds) {
  struct {
    long long seconds, nanoseconds;
  } timeout = {(long long)(nanoseconds / 1000000000), (long long)(nanoseconds % 1000000000)};
  return (int)syscall(SYS_epoll_pwait2, epoll, events, count, &timeout, 0, 0);
}
