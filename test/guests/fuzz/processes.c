// Calls that start, end or replace processes and threads, that enter signal handlers and leave them with frames gone wrong, and numbers
// that are nobody's.
#include "fuzz.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#define SPARE_STACKS ((uint8_t *)0x500000000000)
enum { STACK_BYTES = 1 << 16, MANGLED_SIGNAL = 40 };

// For children that share memory with their parent: as many at a time as there are threads.
static struct thread spare[THREADS];
static volatile bool spare_used[THREADS];

// A child or thread that begins on a stack of its own, on which lie the address of a function and its argument.
__attribute__((naked)) static long clone_onto(word flags, word *stack, word parent_id, word child_id, word storage) {
  (void)flags, (void)stack, (void)parent_id, (void)child_id, (void)storage;
  __asm__("mov %rcx, %r10\nmov $56, %eax\nsyscall\ntest %rax, %rax\njnz 1f\n"
          "xor %ebp, %ebp\npop %rax\npop %rdi\ncall *%rax\nud2\n1: ret\n");
}

long begin_thread(word flags, uint8_t *stack_end, void (*function)(struct thread *), struct thread *t, word ids) {
  word *top = (word *)stack_end - 2;
  top[0] = (word)function;
  top[1] = (word)t;
  return clone_onto(flags, top, ids, ids, 0);
}

static bool may_fork(struct thread *t) {
  if (t->depth >= 3) return false;
  word *left = &t->board->forks[t->worker];
  if ((long)__atomic_sub_fetch(left, 1, __ATOMIC_RELAXED) >= 0) return true;
  __atomic_store_n(left, 0, __ATOMIC_RELAXED);
  return false;
}

// The program again, with something to do, or with arguments that mean nothing to it.
static long execute(struct thread *t) {
  char seed[20] = {0}, worker[2] = {(char)('0' + t->worker), 0}, depth[2] = {(char)('0' + t->depth), 0};
  word value = next(t);
  for (int i = 0; i < 16; i++) seed[i] = "0123456789abcdef"[value >> 4 * i & 15];
  const char *arguments[] = {"fuzz", "executed", seed, worker, depth, 0};
  const char *nothing[] = {"fuzz", 0};
  word list = once_in(t, 8) ? any_address(t) : once_in(t, 8) ? (word)nothing : (word)arguments;
  word environment = once_in(t, 4) ? any_address(t) : 0;
  word file = once_in(t, 8) ? path(t) : (word) "/proc/self/exe";
  if (once_in(t, 2)) return CALL(execve, file, list, environment);
  return CALL(execveat, once_in(t, 8) ? any_descriptor(t, REGULAR) : AT_FDCWD, file, list, environment, once_in(t, 8) ? next(t) : 0);
}

static _Noreturn void be_child(struct thread *t) {
  static struct record unseen;
  t->depth++;
  t->alone = true;
  t->record = &unseen;
  // Nobody wakes it from long waits.
  CALL(alarm, 1);
  if (once_in(t, 4)) execute(t);
  work_alone(t, 10 + below(t, 90));
}

static void await_child(struct thread *t, long child) {
  if (child > 0) CALL(wait4, child, 0, once_in(t, 4) ? 0 : WNOHANG, 0);
}

static void fork_child(struct thread *t) {
  if (!may_fork(t)) return;
  word random = next(t);
  long child = once_in(t, 2) ? CALL(fork) : CALL(clone, SIGCHLD, 0, once_in(t, 2) ? any_address(t) : 0, any_address(t), 0);
  if (child == 0) {
    t->random = random;
    be_child(t);
  }
  await_child(t, child);
}

static _Noreturn __attribute__((noinline)) void be_vfork_child(struct thread *t) {
  if (once_in(t, 2)) execute(t);
  CALL(exit_group, 0);
  __builtin_unreachable();
}

static void vfork_child(struct thread *t) {
  if (!may_fork(t)) return;
  long child = CALL(vfork);
  if (child == 0) be_vfork_child(t);
  await_child(t, child);
}

static void be_clone(struct thread *t) {
  for (int i = 0; i < 30; i++) make_call(t);
  spare_used[t->slot] = false;
  CALL(exit, 0);
}

// With flags as they come: some are refused, some make a thread, some a process that shares this or that.
static void clone_child(struct thread *t) {
  if (spare_used[t->slot] || !may_fork(t)) return;
  uint8_t *stack = SPARE_STACKS + (size_t)t->slot * 16 * STACK_BYTES;
  CALL(mmap, stack, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  static const word usual[] = {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, CLONE_VM | CLONE_VFORK, 0,
                               CLONE_VM | SIGCHLD, CLONE_FS | SIGCHLD, CLONE_FILES | SIGCHLD, CLONE_PARENT | SIGCHLD};
  word flags = ONE_OF(t, usual) | (next(t) & (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID));
  if (once_in(t, 4)) flags |= 1ul << (8 + below(t, 17));
  struct thread *child = &spare[t->slot];
  *child = *t;
  child->depth++;
  child->random = next(t);
  static struct record unseen[THREADS];
  child->record = &unseen[t->slot];
  spare_used[t->slot] = true;
  if (begin_thread(flags, stack + STACK_BYTES, be_clone, child, any_address(t)) < 0) spare_used[t->slot] = false;
}

static void clone3_child(struct thread *t) {
  if (!may_fork(t)) return;
  // Without a stack and without common memory, or refused.
  word arguments[11] = {next(t) & next(t) & next(t) & 0x3ff000000 & ~0x7e020000ul, any_address(t), any_address(t), any_address(t), SIGCHLD};
  if (once_in(t, 4)) arguments[below(t, 11)] = next(t) >> below(t, 64);
  if (arguments[0] & (CLONE_VM | CLONE_VFORK)) return;
  word random = next(t);
  long child = CALL(clone3, arguments, once_in(t, 4) ? below(t, 100) : 88);
  if (child == 0) {
    t->random = random;
    be_child(t);
  }
  await_child(t, child);
}

// Leaves a handler with a frame that is not as the kernel made it.
static void mangle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  struct thread *t = info->si_value.sival_ptr;
  ucontext_t *frame = context;
  greg_t *registers = frame->uc_mcontext.gregs;
  uint32_t *state = (uint32_t *)frame->uc_mcontext.fpregs;
  int times = 1 + (int)below(t, 3);
  while (times--) switch (below(t, 10)) {
    case 0: registers[REG_EFL] ^= (greg_t)(1ul << below(t, 22)); break;
    case 1: registers[REG_CSGSFS] = (greg_t)next(t); break;
    case 2: frame->uc_mcontext.fpregs = (void *)any_address(t); break;
    case 3: if (state) state[6] = (uint32_t)next(t); break; // MXCSR
    case 4: if (state) state[116 + below(t, 12)] = (uint32_t)next(t); break; // what says which state follows
    case 5: if (state) state[128 + below(t, 16)] = (uint32_t)next(t); break; // the state's header
    case 6: frame->uc_flags ^= below(t, 16); break;
    case 7: frame->uc_stack.ss_sp = (void *)any_address(t); break;
    case 8: memset(&frame->uc_sigmask, (int)next(t), 8); break;
    case 9: registers[below(t, 2) ? REG_RIP : REG_RSP] = (greg_t)any_address(t); break;
    }
}
__attribute__((naked)) static void restore(void) { __asm__("mov $15, %eax\nsyscall"); }

static void leave_badly(struct thread *t) {
  // The process may not live on.
  if (!may_fork(t)) return;
  long child = CALL(fork);
  if (child != 0) return await_child(t, child);
  CALL(alarm, 1);
  // What fails is caught on another stack, whatever became of the one in use: a crash is a page of text on the console.
  word stack[3] = {(word)t->scratch + SCRATCH_BYTES / 2, 0, SCRATCH_BYTES / 2};
  CALL(sigaltstack, stack, 0);
  catch_faults(SA_ONSTACK);
  if (once_in(t, 4)) __asm__ volatile("mov %0, %%rsp\nmov $15, %%eax\nsyscall\nud2" ::"r"(any_address(t)) : "memory");
  word action[4] = {(word)mangle, SA_SIGINFO | 0x04000000 | (once_in(t, 4) ? SA_ONSTACK : 0), (word)restore, 0};
  CALL(rt_sigaction, MANGLED_SIGNAL, action, 0, 8);
  long pid = CALL(getpid), tid = CALL(gettid);
  for (int i = 0; i < 20; i++) {
    siginfo_t info = {.si_signo = MANGLED_SIGNAL, .si_code = SI_QUEUE};
    info.si_value.sival_ptr = t;
    CALL(rt_tgsigqueueinfo, pid, tid, MANGLED_SIGNAL, &info);
  }
  CALL(exit_group, 0);
}

// What ends the machine, or would be the supervisor's end, or starts what nobody watches.
static bool is_spared(word number) {
  static const short spared[] = {SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_kill,
                                 SYS_reboot, SYS_pidfd_open, SYS_rt_sigqueueinfo, SYS_prlimit64, SYS_pause, SYS_rt_sigreturn};
  for (size_t i = 0; i < sizeof spared / sizeof *spared; i++)
    if ((uint32_t)number == (uint32_t)spared[i]) return true;
  return false;
}

static void any_call(struct thread *t) {
  word number = once_in(t, 16) ? next(t) >> below(t, 64) : below(t, 470), arguments[6];
  if (is_spared(number)) return;
  struct argument wanted = {ANYTHING, 0};
  for (int i = 0; i < 6; i++) arguments[i] = argument(t, &wanted);
  make_known_call(t, number, arguments);
}

// With flags set that the kernel has to clear for itself: direction, alignment check, nested task.
static void call_with_flags(struct thread *t) {
  word flags = next(t) & (1 << 10 | 1 << 18 | 1 << 14), address = any_address(t);
  long number = once_in(t, 2) ? SYS_uname : SYS_getcwd;
  __asm__ volatile("pushfq\npushfq\norq %2, (%%rsp)\npopfq\nsyscall\npopfq"
                   : "+a"(number)
                   : "D"(address), "r"(flags), "S"(4096ul)
                   : "rcx", "r11", "memory", "cc");
}

static void write_arena(struct thread *t) {
  word value = next(t) & next(t);
  copy_or_fault(ARENA + below(t, ARENA_PAGES * PAGE - 8), &value, sizeof value);
}

void odd_call(struct thread *t) {
  switch (below(t, 24)) {
  case 0: fork_child(t); break;
  case 1: if (once_in(t, 2)) vfork_child(t); break;
  case 2: if (!t->alone) clone_child(t); break;
  case 3: if (once_in(t, 2)) clone3_child(t); break;
  case 4: leave_badly(t); break;
  case 5: if (once_in(t, t->alone ? 8 : 200)) execute(t); break;
  case 6: if (once_in(t, 30)) CALL(exit, next(t)); break;
  case 7: if (once_in(t, t->alone ? 8 : 400)) CALL(exit_group, next(t)); break;
  case 8:
  case 9: call_with_flags(t); break;
  case 10: map_arena(t); break;
  case 11:
  case 12:
  case 13: make_descriptor(t, below(t, DESCRIPTOR_KINDS), FIRST_DESCRIPTOR + (int)below(t, DESCRIPTOR_KINDS * PER_KIND)); break;
  case 14: make_descriptors(t); break;
  case 15: CALL(close_range, FIRST_DESCRIPTOR + DESCRIPTOR_KINDS * PER_KIND, ~0u, 0); break;
  case 16:
  case 17: write_arena(t); break;
  default: any_call(t);
  }
}
