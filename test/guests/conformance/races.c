// What happens when CPUs do something with the same process at the same time. Each race gets many chances to go wrong in a short time, and prints
// how it went.
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

// Milliseconds that each race goes on.
#define TIME 300
// Milliseconds after which what has not happened never will.
#define PATIENCE 30000

static const char *const good = "as it should be";

static long end;

static int goes_on(void) { return milliseconds() < end; }

static void spin(int turns) {
  for (volatile int turn = 0; turn < turns; ++turn)
    ;
}

static void *shared_page(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static sigset_t set_of(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

static void change_mask(int how, int signal) {
  sigset_t set = set_of(signal);
  pthread_sigmask(how, &set, NULL);
}

static int is_pending(int signal) {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, signal);
}

// A child in a group of its own, which has begun to count.
static pid_t counter(volatile long *count) {
  *count = 0;
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    for (;;)
      ++*count;
  }
  while (*count == 0)
    ;
  return child;
}

static const char *continued_while_it_stops(void) {
  volatile long *count = shared_page();
  pid_t child = counter(count);
  for (int round = 0; goes_on(); ++round) {
    kill(child, round % 2 ? SIGSTOP : SIGTSTP);
    spin(round % 4000);
    if (round % 3)
      kill(child, SIGCONT);
    else
      tgkill(child, child, SIGCONT);
    long before = *count, limit = milliseconds() + PATIENCE / 2;
    while (round % 16 == 0 && *count == before) {
      if (milliseconds() > limit)
        return "it stays stopped";
      usleep(1);
    }
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return good;
}

static const char *killed_while_it_stops(void) {
  volatile long *count = shared_page();
  for (int round = 0; goes_on(); ++round) {
    pid_t child = counter(count);
    int status;
    kill(child, round % 2 ? SIGSTOP : SIGTSTP);
    spin(round * 3701 % 40000);
    if (round % 3)
      kill(child, SIGKILL);
    else
      tgkill(child, child, SIGKILL);
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
      return "it ends in another way";
  }
  return good;
}

static pthread_barrier_t barrier;

enum { CHILDREN = 50 };
static pid_t children[CHILDREN];
static int has_waited[2][CHILDREN];
static atomic_int arrived[CHILDREN];

static void wait_for_each(int own) {
  for (int index = 0; index < CHILDREN; ++index) {
    ++arrived[index];
    // Not for long: the other one may need this CPU.
    for (int turn = 0; turn < 5000 && arrived[index] < 2; ++turn)
      ;
    has_waited[own][index] = waitpid(children[index], NULL, 0) > 0 ? 1 : -errno;
  }
}

static void *other_waits(void *unused) {
  for (;;) {
    pthread_barrier_wait(&barrier);
    wait_for_each(1);
    pthread_barrier_wait(&barrier);
  }
  return unused;
}

static const char *two_wait_for_one_child(void) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, other_waits, NULL);
  while (goes_on()) {
    for (int index = 0; index < CHILDREN; ++index) {
      arrived[index] = 0;
      children[index] = fork();
      if (children[index] == 0)
        _exit(0);
    }
    for (int index = 0; index < CHILDREN; ++index)
      waitid(P_PID, children[index], NULL, WEXITED | WNOWAIT);
    pthread_barrier_wait(&barrier);
    wait_for_each(0);
    pthread_barrier_wait(&barrier);
    for (int index = 0; index < CHILDREN; ++index)
      if (has_waited[0][index] + has_waited[1][index] != 1 - ECHILD)
        return "not one has the child and the other none";
  }
  return good;
}

// Leads a group and forks until it is killed: what it has touched makes that take its time.
static void lead(volatile int *begun) {
  enum { SIZE = 4 << 20 };
  setpgid(0, 0);
  memset(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, SIZE);
  *begun = 1;
  for (int children = 0; children < 20; ++children) {
    pid_t child = fork();
    if (child == 0) {
      alarm(PATIENCE / 3000);
      for (;;)
        pause();
    }
  }
  for (;;)
    pause();
}

static const char *group_killed_while_it_forks(void) {
  volatile int *begun = shared_page();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int round = 0; goes_on(); ++round) {
    *begun = 0;
    pid_t leader = fork(), member;
    int status;
    if (leader == 0)
      lead(begun);
    while (!*begun)
      ;
    spin(round * 3701 % 200000);
    kill(-leader, SIGKILL);
    while ((member = waitpid(-1, &status, 0)) > 0)
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return "a member goes on";
  }
  return good;
}

static void *take_one(void *unused) {
  sigset_t set = set_of(SIGRTMIN);
  for (;;) {
    pthread_barrier_wait(&barrier);
    sigwaitinfo(&set, NULL);
    pthread_barrier_wait(&barrier);
  }
  return unused;
}

static const char *two_wait_for_two_signals(void) {
  pthread_t threads[2];
  change_mask(SIG_BLOCK, SIGRTMIN);
  pthread_barrier_init(&barrier, NULL, 3);
  for (int index = 0; index < 2; ++index)
    pthread_create(&threads[index], NULL, take_one, NULL);
  while (goes_on()) {
    pthread_barrier_wait(&barrier);
    usleep(100);
    kill(getpid(), SIGRTMIN);
    kill(getpid(), SIGRTMIN);
    pthread_barrier_wait(&barrier);
  }
  return good;
}

static atomic_int handled;

static void handle(int signal) { handled += signal != 0; }

static void *open_for_a_moment(void *unused) {
  for (int round = 0;; ++round) {
    pthread_barrier_wait(&barrier);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    spin(round * 37 % 1000);
    change_mask(SIG_BLOCK, SIGUSR1);
    pthread_barrier_wait(&barrier);
  }
  return unused;
}

static void *stay_open(void *unused) {
  change_mask(SIG_UNBLOCK, SIGUSR1);
  for (;;)
    pause();
  return unused;
}

static const char *blocked_when_it_comes(void) {
  pthread_t threads[2];
  change_mask(SIG_BLOCK, SIGUSR1);
  signal(SIGUSR1, handle);
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&threads[0], NULL, open_for_a_moment, NULL);
  pthread_create(&threads[1], NULL, stay_open, NULL);
  for (int round = 0; goes_on(); ++round) {
    long limit = milliseconds() + PATIENCE / 2;
    pthread_barrier_wait(&barrier);
    spin(round * 53 % 1000);
    kill(getpid(), SIGUSR1);
    while (handled <= round) {
      if (milliseconds() > limit)
        return "nobody takes it";
      usleep(1);
    }
    pthread_barrier_wait(&barrier);
  }
  return good;
}

static volatile pid_t *borrower;

static void *sleep_on(void *unused) {
  for (;;)
    pause();
  return unused;
}

static void lend(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, sleep_on, NULL);
  if (vfork() == 0) {
    *borrower = getpid();
    for (;;)
      pause();
  }
}

static const char *killed_while_its_memory_is_borrowed(void) {
  borrower = shared_page();
  for (int round = 0; round < 2; ++round) {
    int deadly = round ? SIGTERM : SIGKILL, status;
    *borrower = 0;
    pid_t lender = fork();
    if (lender == 0)
      lend();
    while (*borrower == 0)
      usleep(100);
    kill(lender, deadly);
    if (waitpid(lender, &status, 0) != lender || !WIFSIGNALED(status) || WTERMSIG(status) != deadly)
      return "it ends in another way";
    kill(*borrower, SIGKILL);
  }
  return good;
}

static const char *waited_for_and_still_attached(void) {
  while (goes_on()) {
    struct shmid_ds shown;
    int segment = shmget(IPC_PRIVATE, 16 << 12, IPC_CREAT | 0600);
    pid_t child = fork();
    if (child == 0) {
      memset(shmat(segment, NULL, 0), 1, 16 << 12);
      _exit(0);
    }
    while (waitpid(child, NULL, WNOHANG) == 0)
      ;
    shmctl(segment, IPC_STAT, &shown);
    shmctl(segment, IPC_RMID, NULL);
    if (shown.shm_nattch != 0)
      return "its memory is still there";
  }
  return good;
}

static const char *waited_for_before_its_signal(void) {
  sigset_t set = set_of(SIGCHLD);
  change_mask(SIG_BLOCK, SIGCHLD);
  while (goes_on()) {
    pid_t child = fork();
    if (child == 0)
      _exit(0);
    while (waitpid(child, NULL, WNOHANG) == 0)
      ;
    if (!is_pending(SIGCHLD))
      return "its signal has not come";
    sigwaitinfo(&set, NULL);
  }
  return good;
}

// Goes on until that many microseconds have passed since `start`, without sleeping.
static void spin_until(const struct timespec *start, long microseconds) {
  struct timespec now;
  do
    clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - start->tv_sec) * 1000000 + (now.tv_nsec - start->tv_nsec) / 1000 < microseconds);
}

static const char *three_generations_end_together(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int round = 0; goes_on(); ++round) {
    enum { LIFE = 1000 };
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (fork() == 0) {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      if (fork() == 0) {
        if (fork() == 0)
          spin_until(&start, LIFE + round % 3);
        else
          spin_until(&start, LIFE + round % 5);
      } else {
        spin_until(&start, LIFE + round % 7);
      }
      _exit(0);
    }
    int ended = 0;
    while (waitpid(-1, NULL, 0) > 0)
      ++ended;
    if (ended != 3)
      return "one is nobody's child";
  }
  return good;
}

static const char *timer_stopped_while_it_expires(void) {
  sigset_t set = set_of(SIGALRM);
  struct timespec none = {0};
  change_mask(SIG_BLOCK, SIGALRM);
  for (int round = 0; goes_on(); ++round) {
    struct itimerval timer = {.it_value.tv_usec = 50}, stopped = {0};
    setitimer(ITIMER_REAL, &timer, NULL);
    spin(round * 37 % 40000);
    setitimer(ITIMER_REAL, &stopped, NULL);
    int has_come = is_pending(SIGALRM);
    spin(2000);
    if (has_come != is_pending(SIGALRM))
      return "it comes later";
    sigtimedwait(&set, NULL, &none);
  }
  return good;
}

static atomic_long handed_over;

// Sets a timer again and again, each time to an interval of its own, and counts those that it sets as more and those that it gets back as less.
static void *set_and_get_back(void *unused) {
  struct itimerval timer = {.it_value.tv_sec = 1000}, old;
  while (goes_on()) {
    ++timer.it_interval.tv_sec;
    setitimer(ITIMER_REAL, &timer, &old);
    handed_over += timer.it_interval.tv_sec - old.it_interval.tv_sec;
  }
  return unused;
}

static const char *timer_set_by_two(void) {
  struct itimerval last;
  pthread_t thread;
  pthread_create(&thread, NULL, set_and_get_back, NULL);
  set_and_get_back(NULL);
  pthread_join(thread, NULL);
  getitimer(ITIMER_REAL, &last);
  return handed_over == last.it_interval.tv_sec ? good : "a setting is returned twice, or never";
}

static atomic_int memory_file, seals_asked, seals_answered;
static int sealed;

static void *seal(void *unused) {
  for (int round = 1;; ++round) {
    while (seals_asked < round)
      ;
    spin(round * 53 % 1000);
    sealed = fcntl(memory_file, F_ADD_SEALS, F_SEAL_WRITE) == 0;
    seals_answered = round;
  }
  return unused;
}

static const char *mapped_while_it_is_sealed(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, seal, NULL);
  for (int round = 1; goes_on(); ++round) {
    memory_file = memfd_create("sealed", MFD_ALLOW_SEALING);
    ftruncate(memory_file, 4096);
    seals_asked = round;
    spin(round * 37 % 1000);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory_file, 0);
    while (seals_answered < round)
      ;
    if (sealed && page != MAP_FAILED)
      return "it is both";
    if (page != MAP_FAILED)
      munmap(page, 4096);
    close(memory_file);
  }
  return good;
}

static int end_at_once(void *unused) {
  _exit(unused != NULL);
}

static const char *joined_by_siblings_while_the_parent_ends(void) {
  enum { SIBLINGS = 20, STACK = 4096 };
  static _Alignas(16) char stacks[SIBLINGS][STACK];
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  volatile int *begun = shared_page();
  for (int round = 0; goes_on(); ++round) {
    *begun = 0;
    if (fork() == 0) {
      if (fork() == 0) {
        *begun = 1;
        for (int index = 0; index < SIBLINGS; ++index)
          clone(end_at_once, stacks[index] + STACK, CLONE_PARENT | CLONE_VM, NULL);
      } else {
        while (!*begun)
          ;
        spin(round * 3701 % 40000);
      }
      _exit(0);
    }
    int ended = 0;
    while (waitpid(-1, NULL, 0) > 0)
      ++ended;
    if (ended != 2 + SIBLINGS)
      return "one is nobody's child";
  }
  return good;
}

static void *rename_on(void *unused) {
  while (goes_on())
    rename("bound", "moved");
  return unused;
}

static const char *bound_while_its_name_moves(void) {
  struct sockaddr_un address = {AF_UNIX, "bound"};
  const char *result = good;
  pthread_t thread;
  pthread_create(&thread, NULL, rename_on, NULL);
  while (goes_on()) {
    int bound = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (bind(bound, (struct sockaddr *)&address, sizeof address) != 0)
      result = strerror(errno);
    close(bound);
    unlink("bound");
  }
  pthread_join(thread, NULL);
  unlink("moved");
  return result;
}

static const char *volatile too_late;

// Connects to itself and sends itself messages, which have arrived when the call returns.
static void *visit_itself(void *unused) {
  (void)unused;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, own = address;
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  bind(listener, (struct sockaddr *)&address, size);
  getsockname(listener, (struct sockaddr *)&address, &size);
  fcntl(listener, F_SETFL, O_NONBLOCK);
  listen(listener, 5);
  bind(datagrams, (struct sockaddr *)&own, size);
  getsockname(datagrams, (struct sockaddr *)&own, &size);
  while (goes_on() && !too_late) {
    char byte;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&address, size)) too_late = "not connected";
    int server = accept(listener, NULL, NULL);
    if (server < 0) too_late = "connected, and there is nobody to accept";
    send(client, "x", 1, MSG_NOSIGNAL);
    if (recv(server, &byte, 1, MSG_DONTWAIT) != 1) too_late = "sent, and there is nothing to receive";
    sendto(datagrams, "x", 1, 0, (struct sockaddr *)&own, size);
    if (recv(datagrams, &byte, 1, MSG_DONTWAIT) != 1) too_late = "a datagram was sent, and there is none";
    // No trace of the connection stays.
    setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(client);
    close(server);
  }
  return NULL;
}

static const char *two_visit_themselves(void) {
  pthread_t other;
  pthread_create(&other, NULL, visit_itself, NULL);
  visit_itself(NULL);
  pthread_join(other, NULL);
  return too_late ? too_late : good;
}

// Runs a race in a process of its own, which may get stuck.
static void show(const char *name, const char *(*race)(void)) {
  int ends[2];
  char result[100] = "it gets stuck";
  pipe(ends);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    end = milliseconds() + TIME;
    const char *text = race();
    write(ends[1], text, strlen(text) + 1);
    _exit(0);
  }
  struct pollfd reader = {.fd = ends[0], .events = POLLIN};
  if (poll(&reader, 1, PATIENCE) == 1) {
    read(ends[0], result, sizeof result);
    waitpid(child, NULL, 0);
  } else {
    kill(child, SIGKILL);
  }
  close(ends[0]);
  close(ends[1]);
  printf("%s: %s\n", name, result);
}

#define RACE(race) show(#race, race)

int main(void) {
  enter_scratch();
  RACE(continued_while_it_stops);
  RACE(killed_while_it_stops);
  RACE(two_wait_for_one_child);
  RACE(group_killed_while_it_forks);
  RACE(two_wait_for_two_signals);
  RACE(blocked_when_it_comes);
  RACE(killed_while_its_memory_is_borrowed);
  RACE(waited_for_and_still_attached);
  RACE(waited_for_before_its_signal);
  RACE(three_generations_end_together);
  RACE(timer_stopped_while_it_expires);
  RACE(timer_set_by_two);
  RACE(mapped_while_it_is_sealed);
  RACE(joined_by_siblings_while_the_parent_ends);
  RACE(bound_while_its_name_moves);
  RACE(two_visit_themselves);
}
