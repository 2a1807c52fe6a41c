// What filters of system calls allow, how they refuse, and who has them: seccomp(2).
#include "show.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT(index) offsetof(struct seccomp_data, args[index])

static char *program;

static long seccomp(unsigned operation, unsigned flags, void *argument) {
  return syscall(SYS_seccomp, operation, flags, argument);
}

static long attach(unsigned flags, struct sock_filter *instructions, size_t count) {
  struct sock_fprog filter = {count, instructions};
  return seccomp(SECCOMP_SET_MODE_FILTER, flags, &filter);
}

// A filter that answers one call so, and allows all others.
static long answer(unsigned flags, int number, unsigned action) {
  struct sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return attach(flags, instructions, LENGTH(instructions));
}

// Does it in a child, and says how that ended.
static void in_child(const char *name, void (*work)(void)) {
  printf("%s\n", name);
  pid_t child = fork();
  if (!child) {
    // Whoever is not root, and whose programs may have more privileges, may not.
    setresuid(1000, 1000, 1000);
    SHOW(answer(0, SYS_getppid, SECCOMP_RET_ERRNO | 1));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    work();
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    printf("  ended by %s\n", sigabbrev_np(WTERMSIG(status)));
  else
    printf("  ended with %d\n", WEXITSTATUS(status));
}

static void show_status(void) {
  char line[128];
  FILE *file = fopen("/proc/thread-self/status", "r");
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, "Seccomp", 7)) fputs(line, stdout);
  fclose(file);
}

static void probe(void) {
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
  SHOW(prctl(PR_SET_SECCOMP, 3, NULL));
  SHOW(prctl(PR_SET_SECCOMP, 0, NULL));
  SHOW(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
  SHOW(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, NULL));
  SHOW(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
  SHOW(seccomp(SECCOMP_SET_MODE_STRICT, 0, ""));
  SHOW(seccomp(99, 0, NULL));
  unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
                        SECCOMP_RET_TRACE,        SECCOMP_RET_LOG,         SECCOMP_RET_ALLOW, 0x00010000};
  for (size_t i = 0; i < LENGTH(actions); i++) SHOW(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  SHOW(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
  SHOW(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL));
  struct seccomp_notif_sizes sizes;
  SHOW(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
  VALUE(sizes.seccomp_data);
  struct sock_filter allow[4097];
  for (size_t i = 0; i < LENGTH(allow); i++) allow[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  SHOW(attach(0, allow, 0));
  SHOW(attach(0, allow, 4097));
  SHOW(attach(0, NULL, 1));
  SHOW(attach(0, (void *)8, 1));
  show_status();
  // How many it takes depends on what becomes of a program.
  while (!attach(0, allow, 4096)) {}
  printf("too many of the longest filters: %s\n", strerrorname_np(errno));
}

static void errors(void) {
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_ERRNO | EXDEV));
  SHOW(answer(0, SYS_getpid, SECCOMP_RET_ERRNO));
  SHOW(answer(0, SYS_dup, SECCOMP_RET_ERRNO | 0xffff));
  SHOW(answer(0, 12345, SECCOMP_RET_ERRNO | ENOTBLK));
  SHOW(syscall(SYS_getppid));
  SHOW(syscall(SYS_getpid));
  SHOW(syscall(SYS_dup, 0));
  VALUE(errno);
  SHOW(syscall(12345));
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  // Of two that do the same, what was said last counts; of two that differ, what allows less.
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_ERRNO | EBADF));
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_ALLOW));
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_TRACE));
  SHOW(syscall(SYS_getppid));
  SHOW(answer(0, SYS_getuid, SECCOMP_RET_TRACE));
  SHOW(syscall(SYS_getuid));
  SHOW(answer(SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_LOG, SYS_getgid, SECCOMP_RET_LOG));
  WORKS(syscall(SYS_getgid));
  show_status();
}

static void arguments(void) {
  struct sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1) + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(0)),
      BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  SHOW(attach(0, instructions, LENGTH(instructions)));
  SHOW(syscall(SYS_lseek, ENOTBLK, 0, 0));
  SHOW(syscall(SYS_lseek, ENOTBLK, 7L << 32 | 1, 0));
}

static void trapped(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  printf("%s code %d errno %d call %d arch %x, next instruction %d, result %ld\n", sigabbrev_np(number), info->si_code,
         info->si_errno, info->si_syscall, info->si_arch, info->si_call_addr == (void *)registers[REG_RIP],
         (long)registers[REG_RAX]);
  registers[REG_RAX] = 777;
}

static void trap(void) {
  struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_TRAP | 42));
  SHOW(answer(0, SYS_getpid, SECCOMP_RET_TRAP));
  SHOW(syscall(SYS_getppid));
  SHOW(syscall(SYS_getpid));
}

static void trap_ignored(void) {
  signal(SIGSYS, SIG_IGN);
  answer(0, SYS_getppid, SECCOMP_RET_TRAP);
  SHOW(syscall(SYS_getppid));
}

static void end_process(void) {
  signal(SIGSYS, SIG_IGN);
  answer(0, SYS_getppid, SECCOMP_RET_ALLOW);
  answer(0, SYS_getppid, SECCOMP_RET_KILL_PROCESS);
  SHOW(syscall(SYS_getppid));
}

static void end_last_thread(void) {
  answer(0, SYS_getppid, SECCOMP_RET_KILL_THREAD);
  SHOW(syscall(SYS_getppid));
}

static void end_unknown(void) {
  answer(0, SYS_getppid, 0x00010000);
  SHOW(syscall(SYS_getppid));
}

static void *ask_parent(void *unused) {
  SHOW(syscall(SYS_getppid));
  return unused;
}

static void end_one_thread(void) {
  answer(0, SYS_getppid, SECCOMP_RET_KILL_THREAD);
  pthread_t thread;
  pthread_create(&thread, NULL, ask_parent, NULL);
  pthread_join(thread, NULL);
  printf("joined\n");
}

static void strict(void) {
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  write(1, "written\n", 8);
  syscall(SYS_exit, 3);
}

static void strict_end(void) {
  SHOW(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL));
  syscall(SYS_getpid);
}

static void inherit(void) {
  SHOW(answer(0, SYS_getppid, SECCOMP_RET_ERRNO | EXDEV));
  if (!fork()) {
    SHOW(syscall(SYS_getppid));
    _exit(0);
  }
  wait(NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, ask_parent, NULL);
  pthread_join(thread, NULL);
  execl(program, program, "executed", NULL);
}

static int asked[2], go_on[2];

static void *filtered_later(void *unused) {
  char byte;
  read(go_on[0], &byte, 1);
  SHOW(syscall(SYS_getppid));
  SHOW(syscall(SYS_alarm, 0));
  show_status();
  write(asked[1], "", 1);
  return unused;
}

static pid_t other;

static void *filtered_otherwise(void *unused) {
  other = gettid();
  SHOW(answer(0, SYS_getuid, SECCOMP_RET_ERRNO | EXDEV));
  write(asked[1], "", 1);
  char byte;
  read(go_on[0], &byte, 1);
  WORKS(syscall(SYS_getppid));
  return unused;
}

// Enters the kernel for what is answered at once alone.
static void *turn(void *unused) {
  for (long begin = milliseconds(); milliseconds() < begin + 10000;)
    if (syscall(SYS_getppid) == -1) return "refused at last";
  return unused;
}

static void everywhere(void) {
  char byte;
  pthread_t threads[3];
  pipe(asked), pipe(go_on);
  SHOW(answer(0, SYS_alarm, SECCOMP_RET_ERRNO | EBADF));
  pthread_create(&threads[0], NULL, filtered_later, NULL);
  pthread_create(&threads[1], NULL, turn, NULL);
  usleep(50000);
  SHOW(answer(SECCOMP_FILTER_FLAG_TSYNC, SYS_getppid, SECCOMP_RET_ERRNO | EXDEV));
  void *end = NULL;
  pthread_join(threads[1], &end);
  printf("%s\n", end ? (char *)end : "never refused");
  write(go_on[1], "", 1);
  read(asked[0], &byte, 1);
  pthread_join(threads[0], NULL);
  pthread_create(&threads[2], NULL, filtered_otherwise, NULL);
  read(asked[0], &byte, 1);
  VALUE(answer(SECCOMP_FILTER_FLAG_TSYNC, SYS_getgid, SECCOMP_RET_ERRNO | EBADF) == other);
  WORKS(syscall(SYS_getgid));
  SHOW(answer(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SYS_getgid, SECCOMP_RET_ERRNO | EBADF));
  write(go_on[1], "", 1);
  pthread_join(threads[2], NULL);
}

static unsigned seed = 1;

static unsigned chance(unsigned below) {
  seed = seed * 1103515245 + 12345;
  return (seed >> 16) % below;
}

// Programs of many kinds, of which some are refused; what the others say of a call is its error's number.
static void any(void) {
  static const unsigned short codes[] = {
      BPF_LD | BPF_W | BPF_ABS,   BPF_LD | BPF_H | BPF_ABS,   BPF_LD | BPF_W | BPF_LEN,   BPF_LDX | BPF_W | BPF_LEN,
      BPF_LD | BPF_IMM,           BPF_LDX | BPF_IMM,          BPF_LD | BPF_MEM,           BPF_LDX | BPF_MEM,
      BPF_ST,                     BPF_STX,                    BPF_ST,                     BPF_STX,
      BPF_MISC | BPF_TAX,         BPF_MISC | BPF_TXA,         BPF_ALU | BPF_ADD | BPF_K,  BPF_ALU | BPF_ADD | BPF_X,
      BPF_ALU | BPF_SUB | BPF_K,  BPF_ALU | BPF_SUB | BPF_X,  BPF_ALU | BPF_MUL | BPF_K,  BPF_ALU | BPF_MUL | BPF_X,
      BPF_ALU | BPF_DIV | BPF_K,  BPF_ALU | BPF_DIV | BPF_X,  BPF_ALU | BPF_AND | BPF_K,  BPF_ALU | BPF_AND | BPF_X,
      BPF_ALU | BPF_OR | BPF_K,   BPF_ALU | BPF_OR | BPF_X,   BPF_ALU | BPF_XOR | BPF_K,  BPF_ALU | BPF_XOR | BPF_X,
      BPF_ALU | BPF_LSH | BPF_K,  BPF_ALU | BPF_LSH | BPF_X,  BPF_ALU | BPF_RSH | BPF_K,  BPF_ALU | BPF_RSH | BPF_X,
      BPF_ALU | BPF_NEG,          BPF_JMP | BPF_JA,           BPF_JMP | BPF_JEQ | BPF_K,  BPF_JMP | BPF_JEQ | BPF_X,
      BPF_JMP | BPF_JGT | BPF_K,  BPF_JMP | BPF_JGT | BPF_X,  BPF_JMP | BPF_JGE | BPF_K,  BPF_JMP | BPF_JGE | BPF_X,
      BPF_JMP | BPF_JSET | BPF_K, BPF_JMP | BPF_JSET | BPF_X, BPF_ALU | BPF_NEG | BPF_X,  BPF_JMP | BPF_JA | BPF_X,
      BPF_ALU | BPF_MOD | BPF_K,  BPF_RET | BPF_X,            BPF_LD | BPF_W | BPF_IND,   BPF_LDX | BPF_B | BPF_MSH,
  };
  static const unsigned words[] = {NUMBER,          offsetof(struct seccomp_data, arch), ARGUMENT(0), ARGUMENT(1),
                                   ARGUMENT(1) + 4, ARGUMENT(5),                         2,           64};
  for (int round = 0; round < 400; round++) {
    // The last codes are refused always.
    size_t known = LENGTH(codes) - (chance(8) ? 6 : 0);
    struct sock_filter instructions[32] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_ST, 0),
        BPF_STMT(BPF_ST, 1),
    };
    size_t count = 5, end = 8 + chance(20);
    while (count < end) {
      struct sock_filter *next = &instructions[count++];
      next->code = codes[chance(known)];
      next->jt = chance(4), next->jf = chance(4);
      next->k = chance(3) ? chance(4) : chance(0x10000) << chance(17);
      if (next->code == (BPF_LD | BPF_W | BPF_ABS)) next->k = words[chance(6 + (chance(8) == 0) * 2)];
      if (BPF_CLASS(next->code) == BPF_ST || BPF_CLASS(next->code) == BPF_STX) next->k &= 15;
    }
    struct sock_filter last[] = {
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
        BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    memcpy(&instructions[count], last, sizeof last - sizeof *last * (chance(16) == 0));
    count += LENGTH(last);
    pid_t child = fork();
    if (!child) {
      if (attach(0, instructions, count)) {
        printf("%d: %s\n", round, strerrorname_np(errno));
        _exit(0);
      }
      errno = 0;
      long result = syscall(SYS_lseek, 0x12345678, 0x9abcdef011223344, 5, 0, 0, 0xfffffff0);
      printf("%d: %ld %d\n", round, result, errno);
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status) printf("%d: ended by %s\n", round, sigabbrev_np(WTERMSIG(status)));
  }
}

int main(int argc, char **argv) {
  program = realpath(argv[0], NULL);
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1) {
    SHOW(prctl(PR_GET_SECCOMP));
    SHOW(syscall(SYS_getppid));
    show_status();
    return 0;
  }
  in_child("probe", probe);
  in_child("errors", errors);
  in_child("arguments", arguments);
  in_child("trap", trap);
  in_child("trap, ignored", trap_ignored);
  in_child("end of the process", end_process);
  in_child("end of the last thread", end_last_thread);
  in_child("unknown action", end_unknown);
  in_child("end of one thread", end_one_thread);
  in_child("strict", strict);
  in_child("strict, another call", strict_end);
  in_child("inherited", inherit);
  in_child("for all threads", everywhere);
  in_child("any programs", any);
  return 0;
}
