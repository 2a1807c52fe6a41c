// Restartable sequences: registration, the CPU that a thread is told, and sections that are left when something comes between.
#include "show.h"
#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#define SIGNATURE 0x53053053

static struct rseq area __attribute__((aligned(32)));
static struct rseq_cs broken __attribute__((aligned(32)));

static long rseq(struct rseq *at, unsigned length, int flags, unsigned signature) {
  return syscall(SYS_rseq, at, length, flags, signature);
}

// Runs in a section until something comes between; where it is left to is known as `left_here`. Returns 1 when it was left.
__attribute__((noinline)) static int stand_in_section(void) {
  int left;
  asm volatile(".pushsection .data\n"
               ".balign 32\n"
               "3: .long 0, 0\n"
               ".quad 1f, 2f - 1f, 4f\n"
               ".popsection\n"
               "lea 3b(%%rip), %%rax\n"
               "mov %%rax, %[section]\n"
               "1: pause\n"
               "jmp 1b\n"
               "2: mov $0, %[left]\n"
               "jmp 5f\n"
               ".long 0x53053053\n"
               ".globl left_here\n"
               "left_here:\n"
               "4: mov $1, %[left]\n"
               "5:\n"
               : [left] "=r"(left), [section] "=m"(area.rseq_cs)
               :
               : "rax", "memory");
  return left;
}

// A section that ends before anything comes between; returns how often it had to begin anew.
static int pass_section(volatile long *counter) {
  int anew = 0, left;
  do {
    asm volatile(".pushsection .data\n"
                 ".balign 32\n"
                 "3: .long 0, 0\n"
                 ".quad 1f, 2f - 1f, 4f\n"
                 ".popsection\n"
                 "lea 3b(%%rip), %%rax\n"
                 "mov %%rax, %[section]\n"
                 "1: mov (%[counter]), %%rax\n"
                 "add $1, %%rax\n"
                 "mov %%rax, (%[counter])\n"
                 "2: mov $0, %[left]\n"
                 "jmp 5f\n"
                 ".long 0x53053053\n"
                 "4: mov $1, %[left]\n"
                 "5:\n"
                 : [left] "=&r"(left), [section] "=m"(area.rseq_cs)
                 : [counter] "r"(counter)
                 : "rax", "memory");
    anew += left;
  } while (left);
  return anew;
}

extern char left_here[];
static volatile int handled, at_exit;

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  handled++;
  at_exit = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] == (long)left_here;
}

static int told_right(void) {
  for (int round = 0; round < 100; round++) {
    unsigned told = *(volatile unsigned *)&area.cpu_id, start = *(volatile unsigned *)&area.cpu_id_start, real;
    syscall(SYS_getcpu, &real, NULL, NULL);
    if (told == real && start == real && *(volatile unsigned *)&area.cpu_id == told) return 1;
  }
  return 0;
}

static void *registered(void *argument) {
  struct rseq *own = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  *(int *)argument = (int)own->cpu_id >= 0;
  return NULL;
}

static void registration(void) {
  int right = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, registered, &right);
  pthread_join(thread, NULL);
  VALUE(right);
  // The C library has registered one, which makes way.
  struct rseq *own = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  VALUE(__rseq_size > 0);
  VALUE((int)own->cpu_id >= 0);
  VALUE(sched_getcpu() >= 0);
  SHOW(rseq(&area, 32, 0, SIGNATURE));
  SHOW(rseq(own, 32, 0, SIGNATURE));
  SHOW(rseq(own, 32, 0, SIGNATURE + 1));
  SHOW(rseq(own, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE + 1));
  SHOW(rseq(&area, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  SHOW(rseq(own, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  VALUE((int)own->cpu_id);
  VALUE(own->cpu_id_start);
  SHOW(rseq(own, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  SHOW(rseq((void *)((char *)&area + 8), 32, 0, SIGNATURE));
  SHOW(rseq(&area, 16, 0, SIGNATURE));
  SHOW(rseq(&area, 32, 8, SIGNATURE));
  SHOW(rseq((void *)0x800000000000, 32, 0, SIGNATURE));
  SHOW(rseq(&area, 32, 0, SIGNATURE));
  VALUE(told_right());
}

static void *spin(void *argument) {
  while (!*(volatile int *)argument) {
  }
  return NULL;
}

static void sections(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigaction(SIGALRM, &action, NULL);
  volatile long counter = 0;
  for (int round = 0; round < 1000; round++) pass_section(&counter);
  VALUE(counter);
  // A signal.
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
  while (!at_exit) stand_in_section();
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  VALUE(area.rseq_cs == 0);
  // Other threads' turns, of which there are more than CPUs.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  volatile int stop = 0;
  pthread_t others[4];
  for (int number = 0; number < 4; number++) pthread_create(&others[number], NULL, spin, (void *)&stop);
  SHOW(stand_in_section());
  VALUE(area.rseq_cs == 0);
  for (int round = 0; round < 100000; round++) pass_section(&counter);
  stop = 1;
  for (int number = 0; number < 4; number++) pthread_join(others[number], NULL);
  VALUE(counter);
  VALUE(told_right());
  // What was in no section goes on where it was.
  handled = 0;
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 1000}}, NULL);
  while (!handled) {
  }
  VALUE(at_exit);
}

// How a child ends that is interrupted while its section is this.
static void ends(const char *what, struct rseq_cs section) {
  fflush(stdout);
  int status;
  if (fork() == 0) {
    broken = section;
    area.rseq_cs = (uintptr_t)&broken;
    handled = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 1000}}, NULL);
    while (!handled) {
    }
    _exit(3);
  }
  wait(&status);
  printf("%s: signal %d, status %d\n", what, WTERMSIG(status), WEXITSTATUS(status));
}

static void errors(void) {
  uint64_t code = (uintptr_t)ends, left = (uintptr_t)left_here;
  ends("elsewhere", (struct rseq_cs){.start_ip = 4096, .post_commit_offset = 8, .abort_ip = left});
  ends("another version", (struct rseq_cs){.version = 1, .start_ip = code, .post_commit_offset = 8, .abort_ip = left});
  ends("no signature", (struct rseq_cs){.start_ip = code, .post_commit_offset = 8, .abort_ip = left + 1});
  ends("to itself", (struct rseq_cs){.start_ip = left - 4, .post_commit_offset = 16, .abort_ip = left});
  ends("out of user memory", (struct rseq_cs){.start_ip = code, .post_commit_offset = -1, .abort_ip = left});
  fflush(stdout);
  int status;
  if (fork() == 0) {
    // A child has its parent's registration; a new program has none of it.
    int right = told_right() && rseq(&area, 32, 0, SIGNATURE) == -1 && errno == EBUSY;
    _exit(right ? 0 : 1);
  }
  wait(&status);
  VALUE(WEXITSTATUS(status));
}

int main(void) {
  alarm(60);
  registration();
  sections();
  errors();
  return 0;
}
