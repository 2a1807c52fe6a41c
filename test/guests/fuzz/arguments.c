// Arguments of each kind: mostly what reaches deep, now and then what no caller should pass.
#include "fuzz.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static const word sizes[] = {0, 1, 2, 3, 4, 7, 8, 12, 16, 24, 32, 63, 64, 100, 128, 255, 256, 511, 1000, 4095, 4096, 4097, 8192, 20000};
static const word limits[] = {
    0x7fffffff,         0x80000000,         0xffffffff,         0x100000000,        0x7ffff000,         0x7ffffffffffff000,
    0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xfffffffffffffffe, 0xffffffffffffffff, 0x0000800000000000,
};

static word anything(struct thread *t) {
  switch (below(t, 6)) {
  case 0: return next(t);
  case 1: return ONE_OF(t, limits);
  case 2: return any_address(t);
  case 3: return -below(t, 10);
  case 4: return 1ul << below(t, 64);
  default: return below(t, 64);
  }
}

static word size(struct thread *t) {
  if (once_in(t, 12)) return ONE_OF(t, limits);
  return once_in(t, 16) ? below(t, 1 << 18) : ONE_OF(t, sizes);
}

static word flags(struct thread *t, word mask) {
  switch (below(t, 12)) {
  case 0: return next(t) & 0xffffffff;
  case 1: return 1ul << below(t, 64);
  case 2: return next(t) & mask;
  case 3: return 0;
  default: return next(t) & next(t) & mask;
  }
}

static word offset(struct thread *t) {
  switch (below(t, 10)) {
  case 0: return ONE_OF(t, limits);
  case 1: return next(t) >> below(t, 64);
  case 2: return -below(t, 100);
  case 3: return below(t, 12 * PAGE);
  case 4: return ONE_OF(t, sizes);
  default: return below(t, 10) * PAGE;
  }
}

// Pages of the arena, on their edges unless chance has it otherwise.
static word arena_address(struct thread *t) {
  if (once_in(t, 16)) return any_address(t);
  word page = (word)ARENA + below(t, ARENA_PAGES) * PAGE;
  return once_in(t, 12) ? page + below(t, PAGE) : page;
}

static word length(struct thread *t) {
  if (once_in(t, 24)) return ONE_OF(t, limits);
  return once_in(t, 8) ? below(t, 8 * PAGE) : (1 + below(t, 8)) * PAGE;
}

// The fuzzer's own signals stay as they are: those of faults, and the one that wakes from long waits.
static word signal_number(struct thread *t) {
  static const word own[] = {7, 9, 10, 11, 19, 4};
  if (once_in(t, 30)) return anything(t);
  word number = below(t, 66);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (number == own[i] && !once_in(t, 40)) return 12;
  return number;
}

// Its own process or thread, one of its worker's, all of its group; never the supervisor, which is process 1.
static word process(struct thread *t) {
  switch (below(t, 6)) {
  case 0: return 0;
  case 1: return CALL(gettid);
  case 2: return t->board->records[t->worker][below(t, THREADS)].id;
  case 3: return once_in(t, 10) ? (word)-1 : 0x7fffffff;
  case 4: return CALL(getppid) == 1 ? 0 : CALL(getppid);
  default: return CALL(getpid);
  }
}

static const word option_levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, 270 /* SOL_NETLINK */};
static const word requests[] = {
    FIONREAD, FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX, TCGETS, TCSETS, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCSCTTY,
    SIOCGIFCONF, SIOCGIFADDR, SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFNETMASK, SIOCATMARK, SIOCINQ,
    SIOCOUTQ, SIOCGSTAMP, FIOQSIZE, RNDGETENTCNT, RNDADDENTROPY, 0x1260 /* BLKGETSIZE */, 0x80081272 /* BLKGETSIZE64 */, 0xc020660b, 1, 2,
    0x80086601 /* FS_IOC_GETFLAGS */, 0x40049409 /* FICLONE */,
};
static const word prctl_options[] = {
    PR_SET_NAME, PR_GET_NAME, PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_KEEPCAPS, PR_GET_KEEPCAPS,
    PR_CAPBSET_READ, PR_CAP_AMBIENT, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
    PR_SET_VMA, PR_SET_MM, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_THP_DISABLE, PR_GET_TSC, PR_GET_SECCOMP, PR_SET_PTRACER,
    PR_MCE_KILL, PR_GET_TID_ADDRESS, PR_GET_SPECULATION_CTRL, PR_GET_SECUREBITS, PR_SCHED_CORE, PR_SET_SYSCALL_USER_DISPATCH,
};

word argument(struct thread *t, const struct argument *wanted) {
  if (once_in(t, 40)) return anything(t);
  switch (wanted->kind) {
  case NONE: return once_in(t, 8) ? next(t) : 0;
  case ANYTHING: return anything(t);
  case NUMBER: return once_in(t, 20) ? anything(t) : below(t, wanted->data);
  case FLAGS: return flags(t, wanted->data);
  case DESCRIPTOR: return (word)any_descriptor(t, wanted->data);
  case DIRECTORY: return once_in(t, 3) ? (word)any_descriptor(t, FOLDER) : (word)AT_FDCWD;
  case NEW_NUMBER: return once_in(t, 16) ? anything(t) : FIRST_DESCRIPTOR + below(t, DESCRIPTOR_KINDS * PER_KIND);
  case PATH: return path(t);
  case SIZE: return size(t);
  case LAST_SIZE: return once_in(t, 10) ? size(t) : t->last_size;
  case OFFSET: return offset(t);
  case ADDRESS: return arena_address(t);
  case LENGTH: return length(t);
  case NEW_LENGTH: return once_in(t, 12) ? 0 : length(t);
  case SIGNAL: return signal_number(t);
  case PROCESS: return process(t);
  case USER: return once_in(t, 2) ? (word)-1 : once_in(t, 4) ? below(t, 70000) : 1000 + (word)t->worker;
  case CLOCK: return once_in(t, 8) ? anything(t) : below(t, 13);
  case MODE: return once_in(t, 2) ? 0755 : below(t, 010000);
  case TIMER: return below(t, 4);
  case SEGMENT: return once_in(t, 8) ? anything(t) : below(t, 6) * (once_in(t, 2) ? 1 : 32768);
  case WATCH: return 1 + below(t, 8);
  case MILLISECONDS: return once_in(t, 40) ? (word)-1 : below(t, 2);
  case SET_SIZE: return once_in(t, 20) ? size(t) : 8;
  case OPTION_LEVEL: return ONE_OF(t, option_levels);
  case OPTION_NAME: return below(t, 80);
  case FUTEX_OPERATION: return below(t, 15) | (once_in(t, 2) ? FUTEX_PRIVATE_FLAG : 0) | (once_in(t, 8) ? FUTEX_CLOCK_REALTIME : 0);
  case REQUEST: return ONE_OF(t, requests);
  case COMMAND: return once_in(t, 3) ? 1024 + below(t, 16) : below(t, 40);
  case COMMAND_ARGUMENT: return once_in(t, 2) ? structure(t, BUFFER, 0) : once_in(t, 4) ? anything(t) : below(t, 1 << below(t, 21));
  case PRCTL_OPTION: return ONE_OF(t, prctl_options);
  default: return structure(t, wanted->kind, wanted->data);
  }
}
