// Structures that arguments lead to, as the system calls expect them, with a field gone wrong here and there.
#include "fuzz.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static word garbage(struct thread *t, word sensible) { return once_in(t, 24) ? next(t) >> below(t, 64) : sensible; }

word path(struct thread *t) {
  static const char *const paths[] = {
      "file", "other", "folder", "folder/file", "folder/folder", "link", "fifo", "socket", ".", "..", "", "/", "folder/..//./file",
      "/proc/self/fd/3", "/proc/self/fd/9", "/proc/self/maps", "/proc/self/status", "/proc/self/exe", "/proc/self/mem", "/proc/self/cwd",
      "/proc/self/root", "/proc/self/environ", "/proc/self/auxv", "/proc/self/limits", "/proc/self/mountinfo", "/proc/self/oom_score_adj",
      "/proc/self/comm", "/proc/self/task", "/proc/self/fdinfo/5", "/proc/self/fdinfo", "/proc/thread-self/stat", "/proc/self/smaps_rollup",
      "/proc/self/statm", "/proc/self/cmdline", "/proc/net/tcp", "/proc/net/udp", "/proc/net/unix", "/proc/stat", "/proc/cpuinfo",
      "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/1/stat", "/dev/null", "/dev/zero", "/dev/fd/4", "/dev/shm/fuzz",
      "/dev/urandom", "/sys/devices/system/cpu/online", "/etc/hosts", "/etc/resolv.conf", "file/", "file/x", "loop", "/nowhere/at/all",
  };
  if (once_in(t, 24)) return any_address(t);
  if (once_in(t, 24)) {
    // Too long for a name or for a path, or of bytes that are no text.
    uint8_t long_path[PATH_MAX + 8];
    size_t size = once_in(t, 2) ? below(t, 300) : below(t, sizeof long_path);
    for (size_t i = 0; i < size; i++) long_path[i] = once_in(t, 64) ? '/' : 1 + below(t, 255);
    long_path[size] = 0;
    return place(t, long_path, size + !once_in(t, 16));
  }
  const char *text = once_in(t, 2) ? paths[below(t, 12)] : ONE_OF(t, paths);
  // Root could write to the program that runs, which is every worker's and the supervisor's.
  if (t->worker == WORKERS - 1 && (strstr(text, "/exe") || strstr(text, "/fd/"))) text = "file";
  return place(t, text, strlen(text) + 1);
}

static struct timespec duration(struct thread *t) {
  struct timespec value = {.tv_nsec = (long)(next(t) % 1500000)};
  if (once_in(t, 24)) value.tv_sec = (long)(next(t) >> below(t, 64));
  if (once_in(t, 24)) value.tv_nsec = (long)(next(t) >> below(t, 64));
  return value;
}

static struct timeval as_timeval(struct timespec value) { return (struct timeval){value.tv_sec, value.tv_nsec / 1000}; }

// Addresses in one of which a socket of the worker's may listen.
static size_t socket_address(struct thread *t, struct sockaddr_storage *storage) {
  int port = once_in(t, 8) ? (int)(next(t) & 0xffff) : 20000 + (int)below(t, 4) + 10 * t->worker;
  memset(storage, 0, sizeof *storage);
  switch (below(t, 8)) {
  case 0:
  case 1:
  case 2: {
    struct sockaddr_in *to = (void *)storage;
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (once_in(t, 6)) to->sin_addr.s_addr = once_in(t, 2) ? 0 : 0x7f + 0x100 * (uint32_t)next(t);
    return sizeof *to;
  }
  case 3: {
    struct sockaddr_in6 *to = (void *)storage;
    *to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (once_in(t, 4)) to->sin6_addr = (struct in6_addr)IN6ADDR_ANY_INIT;
    return sizeof *to;
  }
  case 4:
  case 5: {
    struct sockaddr_un *to = (void *)storage;
    to->sun_family = AF_UNIX;
    if (once_in(t, 2)) return strlen(strcpy(to->sun_path, "socket")) + 2 + below(t, 2);
    to->sun_path[1] = (char)('a' + below(t, 4));
    return 4;
  }
  case 6: {
    struct sockaddr_nl *to = (void *)storage;
    to->nl_family = AF_NETLINK;
    return sizeof *to;
  }
  default:
    for (size_t i = 0; i < 28; i++) ((uint8_t *)storage)[i] = (uint8_t)next(t);
    storage->ss_family = below(t, 18);
    return once_in(t, 2) ? below(t, sizeof *storage) : 16;
  }
}

static word buffer(struct thread *t) {
  uint8_t bytes[128];
  size_t size = 8 * below(t, 17);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    word value = once_in(t, 3) ? next(t) : below(t, 64);
    memcpy(bytes + i, &value, 8);
  }
  if (once_in(t, 6) && size >= 24) {
    // A question that the routing socket answers, so that its sizes are looked at as well.
    struct nlmsghdr header = {.nlmsg_len = (uint32_t)garbage(t, 24), .nlmsg_type = (uint16_t)(RTM_NEWLINK + below(t, 16)),
                              .nlmsg_flags = NLM_F_REQUEST | (once_in(t, 2) ? NLM_F_DUMP : 0)};
    memcpy(bytes, &header, sizeof header);
  }
  return place(t, bytes, size);
}

static size_t vectors(struct thread *t, struct iovec *to, size_t most) {
  size_t count = below(t, most + 1);
  for (size_t i = 0; i < count; i++) {
    to[i] = (struct iovec){(void *)buffer(t), garbage(t, below(t, 600))};
    if (i && once_in(t, 4)) to[i].iov_base = (uint8_t *)to[i - 1].iov_base + below(t, 16);
  }
  return count;
}

// Descriptors that travel with a message; a Unix socket may carry itself.
static size_t control(struct thread *t, uint8_t *bytes, size_t room) {
  if (!once_in(t, 2)) return 0;
  size_t count = below(t, 4);
  struct cmsghdr *header = (void *)bytes;
  memset(bytes, 0, room);
  header->cmsg_level = (int)garbage(t, SOL_SOCKET);
  header->cmsg_type = (int)garbage(t, once_in(t, 4) ? SCM_CREDENTIALS : SCM_RIGHTS);
  header->cmsg_len = garbage(t, CMSG_LEN(count * sizeof(int)));
  int *numbers = (int *)CMSG_DATA(header);
  for (size_t i = 0; i < count; i++) numbers[i] = any_descriptor(t, once_in(t, 2) ? UNIX : ANY_FILE);
  return CMSG_SPACE(count * sizeof(int));
}

static struct msghdr message(struct thread *t) {
  struct sockaddr_storage address;
  struct iovec parts[6];
  uint8_t rights[64];
  struct msghdr made = {0};
  if (once_in(t, 2)) {
    made.msg_namelen = (socklen_t)garbage(t, socket_address(t, &address));
    made.msg_name = (void *)place(t, &address, sizeof address);
  }
  made.msg_iovlen = garbage(t, vectors(t, parts, 6));
  made.msg_iov = (void *)place(t, parts, sizeof parts);
  size_t used = control(t, rights, sizeof rights);
  made.msg_controllen = garbage(t, used ? used : below(t, 64));
  made.msg_control = (void *)place(t, rights, sizeof rights);
  return made;
}

static word futex_word(struct thread *t) {
  if (once_in(t, 6)) return any_address(t);
  // A few that all threads meet at; those beyond page 24 are common to processes as well.
  uint8_t *at = ARENA + (once_in(t, 2) ? 0 : 24) * PAGE + 4 * below(t, 4);
  uint32_t value = once_in(t, 2) ? (uint32_t)below(t, 3) : (uint32_t)CALL(gettid) | (once_in(t, 2) ? FUTEX_WAITERS : 0);
  if (once_in(t, 4)) copy_or_fault(at, &value, sizeof value);
  return (word)at;
}

// A list of futexes held: a loop, too long, or leading nowhere.
static word robust_list(struct thread *t) {
  struct {
    void *next;
    long offset;
    void *pending;
  } head = {.offset = (long)garbage(t, below(t, 32))};
  word at = (word)ARENA + 8 * below(t, 400);
  for (int i = 0; i < 4; i++) {
    word to = once_in(t, 4) ? any_address(t) : at + 64 * below(t, 5);
    copy_or_fault((void *)(at + 64 * i), &to, sizeof to);
  }
  head.next = (void *)(at | below(t, 2));
  head.pending = (void *)(once_in(t, 2) ? 0 : any_address(t));
  return place(t, &head, sizeof head);
}

// Never the signals that the fuzzer lives on, unless chance has it.
static word signal_set(struct thread *t) {
  const word own = 1ul << 6 | 1ul << 8 | 1ul << 9 | 1ul << 10 | 1ul << 18 | 1ul << 3;
  return once_in(t, 30) ? next(t) : next(t) & next(t) & ~own;
}

static void ignore(int signal) { (void)signal; }
__attribute__((naked)) static void restore(void) { __asm__("mov $15, %eax\nsyscall"); }

#define PLACED(type, ...) \
  ({                      \
    type made_ = __VA_ARGS__; \
    place(t, &made_, sizeof made_); \
  })

word structure(struct thread *t, enum kind kind, word data) {
  (void)data;
  switch (kind) {
  case BUFFER: return once_in(t, 12) ? any_address(t) : buffer(t);
  case LINK_TARGET: return once_in(t, 4) ? place(t, "loop", 5) : path(t);
  case ATTRIBUTE: return once_in(t, 4) ? path(t) : once_in(t, 2) ? place(t, "user.a", 7) : place(t, "security.capability", 20);
  case NAME: return path(t);
  case SIZE_POINTER: return PLACED(uint32_t, (uint32_t)garbage(t, below(t, 140)));
  case OFFSET_POINTER: return once_in(t, 2) ? 0 : PLACED(word, garbage(t, below(t, 8 * PAGE)));
  case DURATION: return once_in(t, 24) ? 0 : PLACED(struct timespec, duration(t));
  case TIMEVAL: return PLACED(struct timeval, as_timeval(duration(t)));
  case FILE_TIMES: {
    struct timespec times[2] = {duration(t), duration(t)};
    if (once_in(t, 2)) times[below(t, 2)].tv_nsec = once_in(t, 2) ? UTIME_NOW : UTIME_OMIT;
    return place(t, times, sizeof times);
  }
  case FILE_TIMEVALS: {
    struct timeval times[2] = {as_timeval(duration(t)), as_timeval(duration(t))};
    return place(t, times, sizeof times);
  }
  case TIMER_VALUE: return PLACED(struct itimerspec, {duration(t), duration(t)});
  case TIMER_TIMEVAL: return PLACED(struct itimerval, {as_timeval(duration(t)), as_timeval(duration(t))});
  case SIGNAL_SET: return PLACED(word, signal_set(t));
  case SET_WITH_SIZE: {
    word set = signal_set(t), pair[2] = {place(t, &set, 8), garbage(t, 8)};
    return place(t, pair, sizeof pair);
  }
  case ACTION: {
    const word flags = next(t) & (SA_RESTART | SA_NODEFER | SA_ONSTACK | SA_RESETHAND | SA_NOCLDWAIT | SA_NOCLDSTOP);
    word action[4] = {once_in(t, 3) ? below(t, 2) : (word)ignore, garbage(t, flags | 0x04000000), (word)restore, signal_set(t)};
    if (once_in(t, 40)) action[0] = any_address(t);
    return place(t, action, sizeof action);
  }
  case SIGNAL_EVENT: {
    struct sigevent event = {.sigev_signo = (int)garbage(t, once_in(t, 2) ? SIGUSR2 : SIGRTMIN), .sigev_notify = (int)below(t, 5)};
    return place(t, &event, sizeof event);
  }
  case SIGNAL_INFO: {
    siginfo_t info = {.si_signo = SIGUSR2, .si_code = (int)garbage(t, SI_QUEUE)};
    return place(t, &info, sizeof info);
  }
  case SIGNAL_STACK: {
    word stack[3] = {once_in(t, 2) ? any_address(t) : (word)t->scratch + SCRATCH_BYTES / 2, garbage(t, below(t, 3)),
                     garbage(t, SCRATCH_BYTES / 2)};
    return place(t, stack, sizeof stack);
  }
  case VECTORS: {
    struct iovec parts[20];
    t->last_size = vectors(t, parts, 20);
    return place(t, parts, t->last_size * sizeof *parts);
  }
  case MESSAGE: return PLACED(struct msghdr, message(t));
  case MESSAGES: {
    struct mmsghdr messages[4];
    t->last_size = below(t, 5);
    for (size_t i = 0; i < t->last_size; i++) messages[i] = (struct mmsghdr){.msg_hdr = message(t)};
    return place(t, messages, t->last_size * sizeof *messages);
  }
  case SOCKET_ADDRESS: {
    struct sockaddr_storage address;
    t->last_size = socket_address(t, &address);
    return place(t, &address, sizeof address);
  }
  case OPTION_VALUE: {
    uint32_t value[8] = {(uint32_t)garbage(t, below(t, 2) ? below(t, 4) : below(t, 70000)), (uint32_t)below(t, 3)};
    t->last_size = once_in(t, 6) ? 4 * below(t, 9) : 4;
    return place(t, value, sizeof value);
  }
  case EPOLL_EVENT:
    return PLACED(struct epoll_event, {(uint32_t)(once_in(t, 4) ? next(t) : EPOLLIN | (next(t) & (EPOLLOUT | EPOLLET | EPOLLONESHOT))),
                                       {.u64 = next(t)}});
  case POLL_DESCRIPTORS: {
    struct pollfd polled[16];
    t->last_size = below(t, 17);
    for (size_t i = 0; i < t->last_size; i++)
      polled[i] = (struct pollfd){any_descriptor(t, ANY_FILE), once_in(t, 4) ? (short)next(t) : POLLIN, 0};
    return place(t, polled, t->last_size * sizeof *polled);
  }
  case DESCRIPTOR_SET: {
    word set[17] = {0};
    if (once_in(t, 2)) return 0;
    for (int i = 0; i < 6; i++) set[0] |= 1ul << (any_descriptor(t, ANY_FILE) & 63);
    return place(t, set, sizeof set);
  }
  // Not low enough to end the worker by it, mostly, and never high enough to use the machine up.
  case LIMIT: return PLACED(struct rlimit, {garbage(t, 1 << 20), 1 << 20});
  case HOW_TO_OPEN: {
    word how[4] = {garbage(t, next(t) & next(t) & 0x3ff3c3), garbage(t, 0644), garbage(t, next(t) & next(t) & 0x3f), once_in(t, 8)};
    return place(t, how, sizeof how);
  }
  case FUTEX_WORD: return futex_word(t);
  case CAPABILITY_HEADER: {
    struct __user_cap_header_struct header = {(uint32_t)garbage(t, _LINUX_CAPABILITY_VERSION_3), 0};
    return place(t, &header, sizeof header);
  }
  case CAPABILITIES: {
    uint32_t sets[6];
    for (int i = 0; i < 6; i++) sets[i] = (uint32_t)(next(t) | next(t));
    return place(t, sets, sizeof sets);
  }
  case ROBUST_LIST: return robust_list(t);
  case RSEQ_AREA: {
    // Its critical section may be anywhere; the area stays registered while the arena changes below it.
    word area[4] = {0, once_in(t, 2) ? any_address(t) : 0, 0, 0};
    word at = (word)ARENA + 32 * below(t, ARENA_PAGES * PAGE / 32);
    copy_or_fault((void *)at, area, sizeof area);
    return at;
  }
  case GROUPS: {
    uint32_t groups[40];
    for (int i = 0; i < 40; i++) groups[i] = (uint32_t)below(t, 70000);
    return place(t, groups, sizeof groups);
  }
  default: return any_address(t);
  }
}
