// A worker: a process whose threads make random calls on the same memory and descriptors, and one thread more that wakes them from long waits.
#include "fuzz.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define STACKS ((uint8_t *)0x400000000000)
enum { STACK_BYTES = 1 << 16, WAKING = SIGUSR1, PATIENCE = 150 };

static struct thread threads[THREADS];

static bool makes_descriptor(word number) {
  static const short makers[] = {SYS_dup, SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_socket, SYS_accept, SYS_accept4,
                                 SYS_epoll_create, SYS_epoll_create1, SYS_eventfd, SYS_eventfd2, SYS_inotify_init, SYS_inotify_init1,
                                 SYS_memfd_create, SYS_signalfd, SYS_signalfd4, SYS_timerfd_create};
  for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
    if (number == (word)makers[i]) return true;
  return false;
}

// What a call has opened goes where other calls will find it, or stays beside.
static void keep_descriptor(struct thread *t, long descriptor) {
  if (once_in(t, 2)) {
    CALL(dup3, descriptor, FIRST_DESCRIPTOR + below(t, DESCRIPTOR_KINDS * PER_KIND), 0);
    CALL(close, descriptor);
  }
  if (descriptor > MOST_DESCRIPTORS / 2) CALL(close_range, MOST_DESCRIPTORS / 3, ~0u, 0);
}

long make_known_call(struct thread *t, word number, const word arguments[6]) {
  struct record *record = t->record;
  struct remembered *now = &record->last[record->calls % REMEMBERED];
  now->number = number;
  memcpy(now->arguments, arguments, sizeof now->arguments);
  now->result = RUNNING;
  long result = system_call((long)number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  now->result = result;
  return result;
}

static short drawn[2048];
static size_t drawn_count;
static void prepare_draw(void) {
  for (size_t i = 0; i < call_count; i++)
    for (int n = 0; n < calls[i].weight; n++) drawn[drawn_count++] = (short)i;
}

// Root's signals would end the supervisor, and with it the machine.
static void spare_supervisor(word number, word arguments[6]) {
  switch (number) {
  case SYS_kill:
  case SYS_tkill:
  case SYS_tgkill:
  case SYS_rt_sigqueueinfo:
  case SYS_rt_tgsigqueueinfo:
  case SYS_pidfd_open:
    if ((int)arguments[0] == 1 || (int)arguments[0] == -1) arguments[0] = 0x7fffffff;
  }
}

void make_call(struct thread *t) {
  t->used = 0;
  if (once_in(t, 10)) {
    odd_call(t);
  } else {
    const struct call *call = &calls[drawn[below(t, drawn_count)]];
    word arguments[6];
    for (int i = 0; i < 6; i++) arguments[i] = argument(t, &call->arguments[i]);
    spare_supervisor((word)call->number, arguments);
    long result = make_known_call(t, (word)call->number, arguments);
    if (result > 2 && makes_descriptor((word)call->number)) keep_descriptor(t, result);
  }
  t->record->calls++;
  __atomic_add_fetch(&t->board->calls[t->worker], 1, __ATOMIC_RELAXED);
}

static void nothing(int signal) { (void)signal; }
__attribute__((naked)) static void restore(void) { __asm__("mov $15, %eax\nsyscall"); }

static void handle(int signal, word flags) {
  word action[4] = {(word)nothing, flags | 0x04000000, (word)restore, 0};
  CALL(rt_sigaction, signal, action, 0, 8);
}

_Noreturn void work_alone(struct thread *t, word count) {
  while (count--) make_call(t);
  CALL(exit_group, 0);
  __builtin_unreachable();
}

static void run(struct thread *t) {
  t->record->id = (int)CALL(gettid);
  while (t->left) {
    t->left--;
    make_call(t);
  }
  t->record->done = 1;
  CALL(exit, 0);
}

static void limit(int resource, word value) {
  struct rlimit both = {value, value};
  CALL(setrlimit, resource, &both);
}

static void begin(struct thread *t, word seed) {
  t->random = seed;
  t->scratch = map_scratch(t->slot);
  uint8_t *stack = STACKS + (size_t)t->slot * 16 * STACK_BYTES;
  CALL(mmap, stack, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  const word flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID;
  begin_thread(flags, stack + STACK_BYTES, run, t, (word)&t->record->id);
}

// Wakes threads that make no progress, starts those anew that have ended too early; gives up on those that nothing wakes.
static _Noreturn void watch(struct thread *all, word seed) {
  word seen[THREADS] = {0}, still[THREADS] = {0};
  int pid = (int)CALL(getpid);
  for (;;) {
    struct timespec tick = {.tv_nsec = 700000};
    CALL(nanosleep, &tick, 0);
    int busy = 0;
    for (int i = 0; i < THREADS; i++) {
      struct record *record = all[i].record;
      if (record->done || still[i] > PATIENCE) continue;
      busy++;
      still[i] = record->calls == seen[i] ? still[i] + 1 : 0;
      seen[i] = record->calls;
      if (still[i] < 2) continue;
      if (still[i] % 16 == 0) handle(WAKING, 0);
      if (CALL(tgkill, pid, record->id, WAKING) == -ESRCH && all[i].left) begin(&all[i], seed = mix(seed));
    }
    if (!busy) CALL(exit_group, 0);
  }
}

static void settle_in(struct thread *t) {
  for (int signal = 1; signal <= 64; signal++)
    if (signal != SIGKILL && signal != SIGSTOP && signal != SIGCHLD) handle(signal, signal % 2 ? SA_RESTART : 0);
  handle(WAKING, 0);
  catch_faults(0);
  CALL(close_range, 0, ~0u, 0);
  for (int i = 0; i < 3; i++) CALL(open, "/dev/null", O_RDWR);
  prepare_draw();
  CALL(mkdir, "folder", 0755);
  CALL(mknod, "fifo", 0010644, 0);
  CALL(symlink, "file", "link");
  make_descriptors(t);
  map_arena(t);
}

_Noreturn void work(struct board *board, int worker, word seed, word count) {
  limit(RLIMIT_AS, 96 << 20);
  limit(RLIMIT_FSIZE, 1 << 20);
  limit(RLIMIT_NOFILE, MOST_DESCRIPTORS);
  limit(RLIMIT_MEMLOCK, 1 << 20);
  limit(RLIMIT_CORE, 0);
  for (int i = 0; i < THREADS; i++)
    threads[i] = (struct thread){.worker = worker, .slot = i, .left = count, .board = board, .record = &board->records[worker][i]};
  threads[0].random = seed;
  threads[0].scratch = map_scratch(0);
  settle_in(&threads[0]);
  word all = ~0ul;
  // The threads begin with no signal blocked; this one takes none.
  for (int i = 0; i < THREADS; i++) begin(&threads[i], seed = mix(seed + (word)i));
  CALL(rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
  watch(threads, seed);
}

_Noreturn void work_executed(char **arguments) {
  static struct board board;
  word seed = 0;
  for (int i = 0; arguments[0] && arguments[0][i]; i++) seed = mix(seed + (word)arguments[0][i]);
  struct thread *t = &threads[0];
  *t = (struct thread){.random = seed, .alone = true, .board = &board, .record = &board.records[0][0], .scratch = map_scratch(0)};
  if (arguments[0] && arguments[1] && arguments[2]) t->depth = arguments[2][0] - '0' + 1;
  board.forks[0] = 1;
  settle_in(t);
  CALL(alarm, 1);
  work_alone(t, 40);
}
