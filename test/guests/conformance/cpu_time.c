// The CPUs' time: clocks, timers and the limit that count it, nice values and policies.
#include "show.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>

static volatile sig_atomic_t signals[65];

static void count(int signal) { signals[signal]++; }

static long nanoseconds(clockid_t clock) {
  struct timespec now = {0};
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000 + now.tv_nsec;
}

// Uses a thread's time until a condition holds, for ten seconds at most.
#define BURN_UNTIL(condition)                                                                                          \
  ({                                                                                                                   \
    long end_ = milliseconds() + 10000;                                                                                \
    while (!(condition) && milliseconds() < end_)                                                                      \
      ;                                                                                                                \
    printf("until %s: %d\n", #condition, (condition) != 0);                                                            \
  })

static void clocks(void) {
  long before = nanoseconds(CLOCK_THREAD_CPUTIME_ID), whole = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  // No call gives the CPU up, so what is shown is of a turn that goes on.
  BURN_UNTIL(nanoseconds(CLOCK_THREAD_CPUTIME_ID) > before + 20000000);
  BURN_UNTIL(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) > whole + 20000000);
  VALUE(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) >= nanoseconds(CLOCK_THREAD_CPUTIME_ID) - 1000000);
  struct rusage usage;
#define MICROSECONDS(time) ((time).tv_sec * 1000000 + (time).tv_usec)
  BURN_UNTIL((getrusage(RUSAGE_SELF, &usage), MICROSECONDS(usage.ru_utime) > 10000));
  BURN_UNTIL((getrusage(RUSAGE_SELF, &usage), MICROSECONDS(usage.ru_stime) > 1000));
  BURN_UNTIL((getrusage(RUSAGE_THREAD, &usage), MICROSECONDS(usage.ru_utime) > 10000));
  struct tms used;
  BURN_UNTIL((times(&used), used.tms_utime > 0));
  // Who sleeps uses none.
  before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  VALUE(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - before < 50000000);
  clockid_t clock;
  SHOW(clock_getcpuclockid(getpid(), &clock));
  VALUE(nanoseconds(clock) > 0);
  pid_t child = fork();
  if (!child)
    for (;;)
      ;
  SHOW(clock_getcpuclockid(child, &clock));
  while (nanoseconds(clock) < 20000000) usleep(1000);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  SHOW(clock_gettime(clock, &(struct timespec){0}));
  SHOW(pthread_getcpuclockid(pthread_self(), &clock));
  VALUE(nanoseconds(clock) > 0);
  SHOW(clock_settime(clock, &(struct timespec){0}));
  SHOW(clock_settime(CLOCK_MONOTONIC, &(struct timespec){0}));
  SHOW(clock_settime(12345, &(struct timespec){0}));
  VALUE(clock_nanosleep(12345, 0, &(struct timespec){0}, NULL));
  VALUE(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &(struct timespec){0}, NULL));
  SHOW(clock_settime(CLOCK_REALTIME, &(struct timespec){.tv_nsec = -1}));
  // The C library refuses some by itself.
#define SLEEP(clock) SHOW(syscall(SYS_clock_nanosleep, clock, 0, &(struct timespec){.tv_nsec = 1}, NULL))
  SLEEP(CLOCK_THREAD_CPUTIME_ID);
  SLEEP(CLOCK_MONOTONIC_RAW);
  SLEEP(CLOCK_REALTIME_COARSE);
  SLEEP(CLOCK_MONOTONIC_COARSE);
  SLEEP(10);
  SLEEP(12345);
  SLEEP(-1);
  SLEEP(-4);
}

static void interval_timers(void) {
  signal(SIGPROF, count), signal(SIGVTALRM, count);
  struct itimerval soon = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 10000}}, old, none = {0};
  SHOW(setitimer(ITIMER_PROF, &soon, &old));
  VALUE(old.it_value.tv_usec + old.it_interval.tv_usec);
  BURN_UNTIL(signals[SIGPROF] >= 3);
  SHOW(getitimer(ITIMER_PROF, &old));
  VALUE(old.it_interval.tv_usec);
  VALUE(old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0);
  SHOW(setitimer(ITIMER_PROF, &none, &old));
  signals[SIGPROF] = 0;
  SHOW(setitimer(ITIMER_VIRTUAL, &soon, NULL));
  BURN_UNTIL(signals[SIGVTALRM] >= 3);
  SHOW(setitimer(ITIMER_VIRTUAL, &none, NULL));
  SHOW(getitimer(ITIMER_VIRTUAL, &old));
  VALUE(old.it_value.tv_sec + old.it_value.tv_usec + old.it_interval.tv_usec);
  VALUE(signals[SIGPROF]);
  int kinds[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
  for (int i = 0; i < 3; i++) {
    // The interval of a timer that does not run.
    SHOW(setitimer(kinds[i], &(struct itimerval){.it_interval = {.tv_sec = 10}}, NULL));
    SHOW(setitimer(kinds[i], &none, &old));
    VALUE(old.it_interval.tv_sec);
  }
  // A process that sleeps does not come nearer.
  SHOW(setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_usec = 50000}}, NULL));
  nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  VALUE(signals[SIGPROF]);
  BURN_UNTIL(signals[SIGPROF] == 1);
  SHOW(setitimer(3, &soon, NULL));
}

static volatile int stop;

static void *burn(void *argument) {
  while (!stop)
    ;
  return argument;
}

static void created_timers(void) {
  signal(SIGUSR1, count);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t timer;
  struct itimerspec soon = {.it_value = {.tv_nsec = 20000000}}, left;
  SHOW(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer));
  SHOW(timer_settime(timer, 0, &soon, NULL));
  BURN_UNTIL(signals[SIGUSR1] == 1);
  SHOW(timer_gettime(timer, &left));
  VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
  // An absolute time that has passed.
  SHOW(timer_settime(timer, TIMER_ABSTIME, &(struct itimerspec){.it_value = {.tv_nsec = 1}}, NULL));
  BURN_UNTIL(signals[SIGUSR1] == 2);
  SHOW(timer_delete(timer));
  // The process's time passes by another thread's work.
  SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
  pthread_t thread;
  pthread_create(&thread, NULL, burn, NULL);
  SHOW(timer_settime(timer, 0, &soon, NULL));
  for (int round = 0; round < 1000 && signals[SIGUSR1] < 3; round++)
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  VALUE(signals[SIGUSR1]);
  // A timer of a thread that does nothing stands still meanwhile.
  timer_t idle;
  SHOW(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &idle));
  SHOW(timer_settime(idle, 0, &(struct itimerspec){.it_value = {.tv_nsec = 500000000}}, NULL));
  nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
  VALUE(signals[SIGUSR1]);
  stop = 1;
  pthread_join(thread, NULL);
  SHOW(timer_delete(timer));
  SHOW(timer_delete(idle));
  SHOW(timer_create(-4, &event, &timer));
}

static void limit(void) {
  pid_t child = fork();
  if (child == 0) {
    struct itimerval none = {0};
    signal(SIGXCPU, count);
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 2});
    while (!signals[SIGXCPU])
      ;
    struct rlimit now;
    getrlimit(RLIMIT_CPU, &now);
    printf("soft %ld, hard %ld\n", (long)now.rlim_cur, (long)now.rlim_max);
    fflush(stdout);
    setitimer(ITIMER_PROF, &none, NULL);
    for (;;)
      ;
  }
  int status;
  waitpid(child, &status, 0);
  VALUE(WIFSIGNALED(status));
  VALUE(WTERMSIG(status));
}

static void priorities(void) {
  // Whoever runs it may have been nice already.
  SHOW(setpriority(PRIO_PROCESS, 0, 100));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(getpriority(PRIO_PROCESS, getpid()));
  SHOW(getpriority(PRIO_PROCESS, 4194303));
  SHOW(setpriority(PRIO_PROCESS, -1, 3));
  SHOW(getpriority(9, 0));
  SHOW(nice(1));
  pid_t child = fork();
  if (child == 0) {
    SHOW(getpriority(PRIO_PROCESS, 0));
    exit(0);
  }
  waitpid(child, NULL, 0);
  struct sched_param none = {0}, some = {.sched_priority = 1};
  SHOW(sched_getscheduler(0));
  SHOW(sched_setscheduler(0, SCHED_BATCH, &none));
  SHOW(sched_getscheduler(0));
  SHOW(sched_setparam(0, &none));
  SHOW(sched_setparam(0, &some));
  SHOW(sched_setscheduler(0, SCHED_OTHER, &some));
  SHOW(sched_setscheduler(0, SCHED_RR, &none));
  SHOW(sched_setscheduler(0, 77, &none));
  SHOW(sched_setscheduler(0, SCHED_OTHER, &none));
  SHOW(sched_setparam(-1, &none));
  SHOW(sched_getscheduler(-1));
  SHOW(sched_getparam(-1, &none));
  struct timespec slice;
  SHOW(sched_rr_get_interval(0, &slice));
  SHOW(sched_rr_get_interval(-1, &slice));
  cpu_set_t cpus;
  SHOW(sched_getaffinity(-1, sizeof cpus, &cpus));
  SHOW(sched_getaffinity(4194303, sizeof cpus, &cpus));
  SHOW(sched_getaffinity(0, sizeof cpus, &cpus));
  SHOW(sched_setaffinity(-1, sizeof cpus, &cpus));
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  clocks();
  interval_timers();
  created_timers();
  limit();
  priorities();
}
