// Waits for times of day and for times that pass, while the clock of the day is set, and tells which waits have ended. Begins as root; never to be
// run where the clock matters.
#include "../conformance/show.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/timerfd.h>

enum { HOUR = 3600, PATIENCE = 60 };

// How long those wait that are to end by the clock's being set, and those that are to see nothing of it.
static int seconds;

static struct timespec by(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_sec += seconds;
  return time;
}

static int sleep_to(void) {
  struct timespec time = by(CLOCK_REALTIME);
  return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
}

static int sleep_for(void) {
  struct timespec time = {.tv_sec = seconds};
  return clock_nanosleep(CLOCK_REALTIME, 0, &time, NULL);
}

static int condition(clockid_t clock) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, clock);
  pthread_cond_t condition;
  pthread_cond_init(&condition, &attributes);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  struct timespec time = by(clock);
  return pthread_cond_timedwait(&condition, &mutex, &time);
}

static int condition_to(void) { return condition(CLOCK_REALTIME); }
static int condition_for(void) { return condition(CLOCK_MONOTONIC); }

static int timer(int flags, int signal) {
  struct itimerspec setting = {.it_value = {.tv_sec = seconds}};
  if (flags & TIMER_ABSTIME) setting.it_value = by(CLOCK_REALTIME);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
  timer_t timer;
  timer_create(CLOCK_REALTIME, &event, &timer);
  timer_settime(timer, flags, &setting, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  int result = sigwaitinfo(&set, NULL) == signal ? 0 : errno;
  timer_delete(timer);
  return result;
}

static int timer_to(void) { return timer(TIMER_ABSTIME, SIGRTMIN); }
static int timer_for(void) { return timer(0, SIGRTMIN + 1); }

static int file(int flags) {
  struct itimerspec setting = {.it_value = {.tv_sec = seconds}};
  if (flags & TFD_TIMER_ABSTIME) setting.it_value = by(CLOCK_REALTIME);
  int timer = timerfd_create(CLOCK_REALTIME, 0);
  timerfd_settime(timer, flags, &setting, NULL);
  uint64_t expirations;
  int result = read(timer, &expirations, sizeof expirations) < 0 ? errno : 0;
  close(timer);
  return result;
}

static int file_to(void) { return file(TFD_TIMER_ABSTIME); }
static int file_cancelled(void) { return file(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET); }
static int file_for(void) { return file(0); }

struct wait {
  const char *name;
  int (*wait)(void);
  // -1 until it has ended.
  atomic_int result;
  atomic_int tid;
};

static void *run(void *argument) {
  struct wait *wait = argument;
  wait->tid = gettid();
  wait->result = wait->wait();
  return NULL;
}

// Whether a thread is in a call that waits.
static int sleeps(struct wait *wait) {
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", wait->tid);
  int file = open(path, O_RDONLY);
  read(file, line, sizeof line - 1);
  close(file);
  char *state = strrchr(line, ')');
  return state && state[2] == 'S';
}

static void pause_briefly(void) { nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); }

static void begin(struct wait *waits, int count) {
  for (int i = 0; i < count; i++) {
    waits[i].result = -1;
    waits[i].tid = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, run, &waits[i]);
    pthread_detach(thread);
    while (!waits[i].tid || (waits[i].result < 0 && !sleeps(&waits[i])))
      pause_briefly();
  }
}

static void await(struct wait *waits, int count) {
  long deadline = milliseconds() + PATIENCE * 1000;
  for (int i = 0; i < count; i++)
    while (waits[i].result < 0 && milliseconds() < deadline)
      pause_briefly();
}

static void show(struct wait *waits, int count) {
  for (int i = 0; i < count; i++) {
    int result = waits[i].result;
    printf("%s %s\n", waits[i].name, result < 0 ? "waits" : result == 0 ? "has ended" : strerrorname_np(result));
  }
}

static void set_clock(int by) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += by;
  if (clock_settime(CLOCK_REALTIME, &now)) perror("clock_settime");
}

int main(void) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  setbuf(stdout, NULL);

  struct wait to[] = {
    {.name = "a sleep to a time of day", .wait = sleep_to},
    {.name = "a condition with a time of day", .wait = condition_to},
    {.name = "a timer of a time of day", .wait = timer_to},
    {.name = "a timer's file with a time of day", .wait = file_to},
    {.name = "a timer's file that is cancelled", .wait = file_cancelled},
  };
  struct wait passing[] = {
    {.name = "a sleep", .wait = sleep_for},
    {.name = "a condition", .wait = condition_for},
    {.name = "a timer", .wait = timer_for},
    {.name = "a timer's file", .wait = file_for},
  };
  enum { TO = sizeof to / sizeof *to, PASSING = sizeof passing / sizeof *passing };

  seconds = HOUR / 2;
  begin(to, TO);
  begin(passing, PASSING);
  puts("before");
  show(to, TO);
  show(passing, PASSING);
  set_clock(HOUR);
  await(to, TO);
  puts("an hour on");
  show(to, TO);
  show(passing, PASSING);

  // Without the one that is cancelled.
  seconds = 5;
  begin(to, TO - 1);
  set_clock(-HOUR);
  struct timespec longer = {.tv_sec = seconds + 1};
  nanosleep(&longer, NULL);
  puts("an hour back, and six seconds");
  show(to, TO - 1);
  set_clock(HOUR);
  await(to, TO - 1);
  puts("an hour on again");
  show(to, TO - 1);
  fflush(stdout);
  _exit(0);
}
