// Descriptors: a few of each kind under numbers of their own, which calls close, duplicate and replace.
#include "fuzz.h"
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int first_of(enum descriptor_kind kind) { return FIRST_DESCRIPTOR + (int)kind * PER_KIND; }

int any_descriptor(struct thread *t, enum descriptor_kind preferred) {
  if (once_in(t, 24)) {
    static const int odd[] = {-1, -2, -100, 1023, 1 << 20, 0x7fffffff, (int)0x80000000};
    return ONE_OF(t, odd);
  }
  if (preferred != ANY_FILE && !once_in(t, 6)) return first_of(preferred) + (int)below(t, PER_KIND);
  return FIRST_DESCRIPTOR + (int)below(t, DESCRIPTOR_KINDS * PER_KIND + 6);
}

// An open descriptor moves to its number; what was there is closed by that.
static void settle(long from, int to) {
  if (from < 0 || from == to) return;
  CALL(dup3, from, to, 0);
  CALL(close, from);
}

// Two at a time: their second ends go where chance has it among those of the kind.
static void settle_pair(struct thread *t, const int pair[2], int to, enum descriptor_kind kind) {
  settle(pair[0], to);
  settle(pair[1], first_of(kind) + (int)below(t, PER_KIND));
}

static long open_at(const char *path, int flags) { return CALL(openat, AT_FDCWD, path, flags, 0644); }

// Two TCP sockets, connected to each other; neither when something fails.
static void connected(int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int length = sizeof address;
  long listener = CALL(socket, AF_INET, SOCK_STREAM, 0);
  CALL(bind, listener, &address, length);
  CALL(listen, listener, 1);
  CALL(getsockname, listener, &address, &length);
  pair[0] = (int)CALL(socket, AF_INET, SOCK_STREAM, 0);
  pair[1] = -1;
  if (CALL(connect, pair[0], &address, length) == 0) pair[1] = (int)CALL(accept4, listener, 0, 0, SOCK_NONBLOCK);
  CALL(close, listener);
}

static long make_socket(struct thread *t, enum descriptor_kind kind) {
  int family = once_in(t, 3) ? AF_INET6 : AF_INET;
  if (kind == NETLINK) return CALL(socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (kind == UNIX) return CALL(socket, AF_UNIX, once_in(t, 2) ? SOCK_DGRAM : SOCK_STREAM, 0);
  if (kind == DATAGRAM) return CALL(socket, family, SOCK_DGRAM | (once_in(t, 2) ? SOCK_NONBLOCK : 0), 0);
  long socket = CALL(socket, family, SOCK_STREAM | (once_in(t, 2) ? SOCK_NONBLOCK : 0), 0);
  if (kind == LISTENER) CALL(listen, socket, 4);
  return socket;
}

void make_descriptor(struct thread *t, enum descriptor_kind kind, int number) {
  static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random"};
  static const char *const generated[] = {"/proc/self/maps", "/proc/self/status", "/proc/net/tcp",     "/proc/meminfo",
                                          "/proc/self/fd",   "/proc/self/stat",   "/proc/self/smaps", "/proc/mounts"};
  static const char *const folders[] = {".", "/", "/proc/self", "/dev", "/proc/self/fd", "folder", "/sys"};
  int pair[2] = {-1, -1};
  long one = -1;
  switch (kind) {
  case ANY_FILE:
  case DEVICE: one = open_at(ONE_OF(t, devices), O_RDWR); break;
  case REGULAR:
    one = number == first_of(REGULAR) + 1 ? open_at("/proc/self/exe", O_RDONLY) : open_at("file", O_RDWR | O_CREAT);
    if (number == first_of(REGULAR)) CALL(ftruncate, one, 8 * PAGE - 100);
    break;
  case FOLDER: one = open_at(ONE_OF(t, folders), O_RDONLY | O_DIRECTORY); break;
  case PIPE: CALL(pipe2, pair, once_in(t, 2) ? O_NONBLOCK : 0); break;
  case STREAM:
    if (once_in(t, 3)) CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    else connected(pair);
    break;
  case UNIX:
    if (once_in(t, 4)) one = make_socket(t, UNIX);
    else CALL(socketpair, AF_UNIX, once_in(t, 2) ? SOCK_SEQPACKET : SOCK_DGRAM, 0, pair);
    break;
  case LISTENER:
  case DATAGRAM:
  case NETLINK: one = make_socket(t, kind); break;
  case EVENT: one = CALL(eventfd2, below(t, 3), once_in(t, 2) ? EFD_NONBLOCK : 0); break;
  case TIMER_FILE: one = CALL(timerfd_create, below(t, 2), 0); break;
  case SIGNAL_FILE: one = CALL(signalfd4, -1, &(word){1 << (SIGUSR2 - 1)}, 8, SFD_NONBLOCK); break;
  case EPOLL: one = CALL(epoll_create1, 0); break;
  case INOTIFY:
    one = CALL(inotify_init1, once_in(t, 2) ? IN_NONBLOCK : 0);
    CALL(inotify_add_watch, one, ".", IN_ALL_EVENTS);
    break;
  case MEMORY_FILE:
    one = CALL(memfd_create, "fuzz", MFD_ALLOW_SEALING);
    CALL(ftruncate, one, 6 * PAGE);
    break;
  case GENERATED: one = open_at(ONE_OF(t, generated), O_RDONLY); break;
  case BARE_PATH: one = open_at(once_in(t, 2) ? "file" : ".", O_PATH); break;
  case DESCRIPTOR_KINDS: break;
  }
  settle(one, number);
  settle_pair(t, pair, number, kind);
}

void make_descriptors(struct thread *t) {
  for (int kind = 0; kind < DESCRIPTOR_KINDS; kind++)
    for (int i = 0; i < PER_KIND; i++) make_descriptor(t, kind, first_of(kind) + i);
}
