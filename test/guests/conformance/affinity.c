// Which CPUs threads run on, and barriers between them. There is a different number of CPUs in the guest and on Linux:
// each is tried, none is named.
#include "show.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/wait.h>

static cpu_set_t all, first;
static char *program;

// A line of /proc/PID/status by its name.
static void status(const char *name, char value[static 256]) {
  char line[512];
  FILE *file = fopen("/proc/thread-self/status", "r");
  value[0] = 0;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, name, strlen(name))) sscanf(line + strlen(name), ":\t%255[^\n]", value);
  fclose(file);
}

static int has(const cpu_set_t *expected) {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_EQUAL(&set, expected);
}

// Whether the caller runs, again and again, on this CPU alone.
static int stays_on(int cpu) {
  for (int round = 0; round < 200; round++) {
    if (sched_getcpu() != cpu) return 0;
    if (round % 50 == 0) usleep(1000);
    else sched_yield();
  }
  return 1;
}

static void each_cpu(void) {
  int moved = 0, count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    count++;
    moved += sched_setaffinity(0, sizeof one, &one) == 0 && stays_on(cpu) && has(&one);
    char list[256], expected[16];
    status("Cpus_allowed_list", list);
    snprintf(expected, sizeof expected, "%d", cpu);
    if (strcmp(list, expected)) printf("Cpus_allowed_list is %s\n", list);
  }
  VALUE(moved == count);
  SHOW(sched_setaffinity(0, sizeof all, &all));
  VALUE(has(&all));
}

static int at(const char *what) {
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  printf("%s: %s\n", what, CPU_COUNT(&set) == 1 && stays_on(__builtin_ctzl(*(long *)&set)) ? "one CPU" : "any CPU");
  return fflush(stdout);
}

static void *in_thread(void *argument) {
  at(argument);
  return NULL;
}

static volatile int spinning, stop;

static void *spin(void *argument) {
  for (spinning = gettid(); !stop;) *(volatile int *)argument = sched_getcpu();
  return NULL;
}

static void heirs(void) {
  sched_setaffinity(0, sizeof first, &first);
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, "a thread");
  pthread_join(thread, NULL);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    at("a child");
    execl(program, program, "executed", NULL);
    _exit(1);
  }
  waitpid(child, NULL, 0);
  sched_setaffinity(0, sizeof all, &all);
}

// Another thread, while it runs.
static void others(void) {
  pthread_t thread;
  volatile int cpu = -1;
  int moved = 0, count = 0;
  pthread_create(&thread, NULL, spin, (void *)&cpu);
  while (!spinning) sched_yield();
  for (int chosen = 0; chosen < CPU_SETSIZE; chosen++) {
    if (!CPU_ISSET(chosen, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    count++;
    if (sched_setaffinity(spinning, sizeof one, &one)) continue;
    long deadline = milliseconds() + 5000;
    while (cpu != chosen && milliseconds() < deadline) usleep(1000);
    usleep(5000);
    moved += cpu == chosen;
  }
  VALUE(moved == count);
  stop = 1;
  pthread_join(thread, NULL);
}

static void sizes(void) {
  unsigned char set[256] = {0};
  SHOW(sched_setaffinity(0, sizeof set, (cpu_set_t *)set));
  SHOW(sched_setaffinity(0, 0, (cpu_set_t *)set));
  // CPUs that there are not.
  set[100] = 0xff;
  SHOW(sched_setaffinity(0, sizeof set, (cpu_set_t *)set));
  memcpy(set, &first, 8);
  SHOW(sched_setaffinity(0, sizeof set, (cpu_set_t *)set));
  VALUE(has(&first));
  SHOW(sched_setaffinity(0, sizeof all, &all));
  // Fewer bytes than the kernel's own sets have: the rest is none.
  SHOW(sched_setaffinity(0, 1, &first));
  VALUE(has(&first));
  memset(set, 0xff, sizeof set);
  SHOW(sched_setaffinity(0, sizeof set, (cpu_set_t *)set));
  VALUE(has(&all));
  SHOW(syscall(SYS_sched_getaffinity, 0, 4, set));
  SHOW(syscall(SYS_sched_getaffinity, 0, 12, set));
  SHOW(sched_setaffinity(0, sizeof all, (void *)8));
  SHOW(sched_setaffinity(1 << 22, sizeof all, &all));
}

static struct rseq *area;
static volatile int in_section, left_section;

// Stands in a section until it has to leave it.
static void *stand(void *argument) {
  (void)argument;
  area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  asm volatile(".pushsection .data\n"
               ".balign 32\n"
               "3: .long 0, 0\n"
               ".quad 1f, 2f - 1f, 4f\n"
               ".popsection\n"
               "lea 3b(%%rip), %%rax\n"
               "mov %%rax, %[section]\n"
               "1: movl $1, %[in]\n"
               "6: pause\n"
               "jmp 6b\n"
               "2: jmp 5f\n"
               ".long 0x53053053\n"
               "4: movl $1, %[left]\n"
               "5:\n"
               : [section] "=m"(area->rseq_cs), [in] "=m"(in_section), [left] "=m"(left_section)
               :
               : "rax", "memory");
  return NULL;
}

#define membarrier(command, flags, cpu) syscall(SYS_membarrier, command, flags, cpu)

// Whether a thread in a section has left it when the barrier is over.
static void leaves(unsigned flags) {
  pthread_t thread;
  in_section = left_section = 0;
  pthread_create(&thread, NULL, stand, NULL);
  while (!in_section) sched_yield();
  int cpu = *(volatile unsigned *)&area->cpu_id, done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, cpu);
  long deadline = milliseconds() + 5000;
  while (!left_section && milliseconds() < deadline) usleep(100);
  printf("barrier with flags %u: %d, %s\n", flags, done, left_section ? "left" : "still there");
  fflush(stdout);
  if (!left_section) _exit(1);
  pthread_join(thread, NULL);
}

static void barriers(void) {
  int wanted = MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
               MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;
  VALUE((membarrier(MEMBARRIER_CMD_QUERY, 0, 0) & wanted) == wanted);
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 1, 0));
  SHOW(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 1, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 1, 4096));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 1, -1));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 2, 0));
  SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0));
  leaves(0);
  leaves(MEMBARRIER_CMD_FLAG_CPU);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
  program = realpath(argv[0], NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  alarm(60);
  if (argc > 1) {
    SHOW(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
    return at(argv[1]);
  }
  sched_getaffinity(0, sizeof all, &all);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
    if (CPU_ISSET(cpu, &all)) {
      CPU_ZERO(&first);
      CPU_SET(cpu, &first);
    }
  each_cpu();
  heirs();
  others();
  sizes();
  barriers();
}
