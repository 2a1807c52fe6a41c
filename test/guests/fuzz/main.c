// The supervisor: `fuzz SEED ROUND ROUNDS SECONDS CALLS` runs rounds from number ROUND on until there were ROUNDS or SECONDS are over. In each,
// workers' threads make CALLS calls, then the machine has to be as it was.
#include "supervisor.h"
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// What tables keep that were larger once, and pages of objects of which a few are left, in KiB: it comes to an end.
enum { SECONDS_OF_A_WORKER = 4, MOST_STARTS = 6, SLACK = 2048 };
static word seed, count;
static struct board *board;
static bool whole = true;

bool complain(const char *format, ...) {
  va_list values;
  va_start(values, format);
  printf("wrong: ");
  vprintf(format, values);
  printf("\n");
  va_end(values);
  whole = false;
  return false;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void rest(void) { nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); }

static void show_last_calls(int worker) {
  for (int slot = 0; slot < THREADS; slot++) {
    struct record *record = &board->records[worker][slot];
    printf("last calls of worker %d, thread %d (%lu made):\n", worker, slot, record->calls);
    for (int i = 1; i <= REMEMBERED; i++) {
      struct remembered *one = &record->last[(record->calls + (word)i) % REMEMBERED];
      printf("  %s(%lu)(", call_name(one->number), one->number);
      for (int argument = 0; argument < 6; argument++) printf("%s%#lx", argument ? ", " : "", one->arguments[argument]);
      if (one->result == RUNNING) printf(") has not returned\n");
      else printf(") = %ld\n", one->result);
    }
  }
}

// Each worker is a user of its own. The last one may do what root may, but to the machine as a whole, to others' processes and to its own limits.
static bool become_user(int worker) {
  bool privileged = worker == WORKERS - 1;
  if (prctl(PR_SET_KEEPCAPS, privileged, 0, 0, 0) || setgid(1000 + worker) || setuid(1000 + worker)) return false;
  if (!privileged) return true;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets)) return false;
  const int without[] = {CAP_KILL, CAP_SETUID, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_PTRACE, CAP_SYS_RESOURCE};
  for (size_t i = 0; i < sizeof without / sizeof *without; i++) sets[0].permitted &= ~(1u << without[i]);
  for (int i = 0; i < 2; i++) sets[i].effective = sets[i].permitted;
  return !syscall(SYS_capset, &header, sets);
}

static pid_t start(int worker, int round, int starts) {
  char folder[32];
  snprintf(folder, sizeof folder, "/work/worker-%d-%d", worker, starts);
  mkdir(folder, 0755);
  if (chown(folder, 1000 + worker, 1000 + worker)) complain("chown fails: %m");
  memset(board->records[worker], 0, sizeof board->records[worker]);
  fflush(stdout);
  pid_t child = fork();
  if (child) return child;
  // In a session of its own, so that what it sends to its group does not reach this process.
  if (chdir(folder) || setsid() < 0) _exit(1);
  if (!become_user(worker)) _exit(1);
  work(board, worker, mix(mix(seed + (word)round) + (word)(worker * MOST_STARTS + starts)), count);
}

// Ends every process but this one.
static void end_all(void) {
  double late = seconds() + SECONDS_TO_DIE;
  for (;;) {
    kill(-1, SIGKILL);
    pid_t ended = waitpid(-1, NULL, WNOHANG);
    if (ended > 0) continue;
    if (ended < 0) return;
    if (seconds() > late) {
      complain("processes that got SIGKILL %d seconds ago are still there", SECONDS_TO_DIE);
      for (int worker = 0; worker < WORKERS; worker++) show_last_calls(worker);
      return;
    }
    rest();
  }
}

static int run_workers(int round) {
  pid_t running[WORKERS];
  int starts[WORKERS] = {0}, left = WORKERS, ended_early = 0;
  double late[WORKERS];
  for (int i = 0; i < WORKERS; i++) {
    board->forks[i] = 40;
    running[i] = start(i, round, 0);
    late[i] = seconds() + SECONDS_OF_A_WORKER;
  }
  double give_up = seconds() + SECONDS_OF_A_WORKER * MOST_STARTS + SECONDS_TO_DIE;
  while (left > 0) {
    int status;
    pid_t ended = waitpid(-1, &status, WNOHANG);
    for (int i = 0; i < WORKERS; i++) {
      if (running[i] && running[i] != ended && seconds() > late[i]) kill(running[i], SIGKILL);
      if (!running[i] || running[i] != ended) continue;
      // One that has done its work exits; all else that ends a worker is the calls' own doing, and another takes its place.
      if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || ++starts[i] == MOST_STARTS) running[i] = 0, left--;
      else running[i] = start(i, round, starts[i]), late[i] = seconds() + SECONDS_OF_A_WORKER, ended_early++;
    }
    if (seconds() > give_up) break;
    if (ended <= 0) rest();
  }
  return ended_early;
}

// Waits for what ends a little later than its process.
static struct machine settle(const struct machine *before, long slack) {
  struct machine now;
  double late = seconds() + SECONDS_TO_BE_WHOLE;
  do {
    measure(&now);
    if (now.processes == before->processes && now.descriptors == before->descriptors && now.sockets == before->sockets &&
        now.files <= before->files && now.available >= before->available - slack)
      return now;
    rest();
  } while (seconds() < late);
  if (now.processes != before->processes) complain("%ld processes, %ld before", now.processes, before->processes);
  if (now.descriptors != before->descriptors) complain("%ld descriptors, %ld before", now.descriptors, before->descriptors);
  if (now.sockets != before->sockets) {
    complain("%ld sockets, %ld before:", now.sockets, before->sockets);
    show_sockets();
  }
  if (now.files > before->files) complain("%ld open files, %ld before", now.files, before->files);
  if (now.available < before->available - slack) {
    complain("%ld KiB of memory are available, %ld before; the kernel has %ld KiB, %ld before", now.available, before->available,
             now.kernel, before->kernel);
    show_memory();
    show_files();
  }
  return now;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "executed")) work_executed(argv + 2);
  if (argc != 7 || strcmp(argv[1], "supervise")) return 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  seed = strtoul(argv[2], NULL, 0);
  int round = atoi(argv[3]), rounds = atoi(argv[4]);
  double began = seconds(), over = began + atof(argv[5]);
  count = strtoul(argv[6], NULL, 0);
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  remember();

  struct machine before = {0}, now;
  word made = 0;
  for (int done = 0; whole && done < rounds && seconds() < over; done++, round++) {
    printf("seed %lu, round %d, %lu calls a thread: ", seed, round, count);
    memset(board, 0, sizeof *board);
    int early = run_workers(round);
    end_all();
    clean();
    word calls_made = 0;
    for (int i = 0; i < WORKERS; i++) calls_made += board->calls[i];
    made += calls_made;
    printf("%lu calls, %d workers ended early, ", calls_made, early);
    fflush(stdout);
    is_sane();
    // What the first round brings in once and for all is no leak.
    if (done == 0) measure(&before);
    now = done == 0 ? before : settle(&before, SLACK);
    printf("%ld KiB available, %ld of the kernel's, %ld open files, %ld sockets\n", now.available, now.kernel, now.files, now.sockets);
  }
  printf("%lu calls in %.0f seconds: %s\n", made, seconds() - began, whole ? "whole" : "not whole");
  return !whole;
}
