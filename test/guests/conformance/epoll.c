// epoll: modes, rules for descriptors, nesting, time-outs.
#include "show.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int instance;
static struct epoll_event found[8];

static long control(int operation, int descriptor, uint32_t events) {
  struct epoll_event event = {events, {.u64 = (uint64_t)descriptor}};
  return epoll_ctl(instance, operation, descriptor, &event);
}

// Waits and prints what is ready.
static void wait_for(const char *what, int milliseconds_) {
  int count = epoll_wait(instance, found, 8, milliseconds_);
  printf("%s: %d", what, count);
  for (int index = 0; index < count; index++) printf(" (%d %x)", found[index].data.fd, found[index].events);
  printf("\n");
}

static void *later(void *descriptor) {
  usleep(30000);
  eventfd_write(*(int *)descriptor, 1);
  return NULL;
}

static void on_signal(int signal) { (void)signal; }

// One call reports as many as there are, each once.
static void many_events(void) {
  enum { EVENTS = 200 };
  int epoll = epoll_create1(0);
  for (int i = 0; i < EVENTS; i++)
    epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd(1, 0), &(struct epoll_event){.events = EPOLLIN, .data.u32 = i});
  static struct epoll_event events[EVENTS + 50];
  static char seen[EVENTS];
  SHOW(epoll_wait(epoll, events, EVENTS + 50, 0));
  int different = 0;
  for (int i = 0; i < EVENTS; i++)
    different += !seen[events[i].data.u32]++;
  VALUE(different);
  SHOW(epoll_wait(epoll, events, 150, 0));
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  SHOW(epoll_create(0));
  SHOW(epoll_create1(1));
  SHOW(instance = epoll_create1(EPOLL_CLOEXEC));
  int event = SHOW(eventfd(0, EFD_NONBLOCK));
  SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN));
  SHOW(control(EPOLL_CTL_DEL, event, 0));
  SHOW(control(EPOLL_CTL_ADD, event, EPOLLIN));
  SHOW(control(EPOLL_CTL_ADD, event, EPOLLIN));
  SHOW(control(9, event, EPOLLIN));
  SHOW(control(EPOLL_CTL_ADD, 100, EPOLLIN));
  SHOW(control(EPOLL_CTL_ADD, instance, EPOLLIN));
  SHOW(epoll_ctl(instance, EPOLL_CTL_ADD, event, NULL));
  SHOW(epoll_ctl(event, EPOLL_CTL_ADD, instance, found));
  int file = open("file", O_RDWR | O_CREAT, 0644);
  SHOW(control(EPOLL_CTL_ADD, file, EPOLLIN));
  int directory = open(".", O_RDONLY);
  SHOW(control(EPOLL_CTL_ADD, directory, EPOLLIN));
  SHOW(epoll_wait(instance, found, 0, 0));
  SHOW(epoll_wait(instance, found, -1, 0));
  SHOW(epoll_wait(event, found, 1, 0));

  wait_for("nothing", 0);
  eventfd_write(event, 1);
  wait_for("level", 0);
  wait_for("level again", 0);
  SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN | EPOLLET));
  wait_for("edge", 0);
  wait_for("edge again", 0);
  eventfd_write(event, 1);
  wait_for("edge after a write", 0);
  SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN | EPOLLOUT | EPOLLONESHOT));
  wait_for("one shot", 0);
  wait_for("one shot again", 0);
  eventfd_write(event, 1);
  wait_for("one shot after a write", 0);
  SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN));
  wait_for("armed again", 0);
  eventfd_t value;
  eventfd_read(event, &value);
  wait_for("read", 0);
  long start = milliseconds();
  wait_for("time-out", 50);
  VALUE(milliseconds() - start >= 49);
  pthread_t thread;
  pthread_create(&thread, NULL, later, &event);
  wait_for("from a thread", 5000);
  pthread_join(thread, NULL);
  eventfd_read(event, &value);

  int ends[2];
  SHOW(pipe2(ends, O_NONBLOCK));
  SHOW(control(EPOLL_CTL_ADD, ends[0], 0));
  SHOW(control(EPOLL_CTL_ADD, ends[1], EPOLLOUT));
  wait_for("a new pipe", 0);
  int copy = SHOW(dup(ends[0]));
  SHOW(close(ends[0]));
  SHOW(write(ends[1], "x", 1));
  SHOW(control(EPOLL_CTL_MOD, copy, EPOLLIN));
  SHOW(close(copy));
  wait_for("without readers", 0);
  SHOW(control(EPOLL_CTL_MOD, ends[1], 0));
  wait_for("errors only", 0);
  SHOW(close(ends[1]));
  wait_for("all closed", 0);

  SHOW(control(EPOLL_CTL_ADD, dup(event), EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
  SHOW(control(EPOLL_CTL_DEL, event, 0));
  SHOW(control(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE));
  SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN));
  SHOW(control(EPOLL_CTL_DEL, event, 0));

  int outer = instance, inner = epoll_create1(0);
  SHOW(control(EPOLL_CTL_ADD, inner, EPOLLIN) == 0);
  instance = inner;
  SHOW(control(EPOLL_CTL_ADD, outer, EPOLLIN));
  SHOW(control(EPOLL_CTL_ADD, event, EPOLLIN));
  instance = outer;
  wait_for("nested, nothing", 0);
  eventfd_write(event, 1);
  int count = SHOW(epoll_wait(outer, found, 8, 0));
  if (count == 1) VALUE(found[0].data.fd == inner);
  instance = inner;
  wait_for("inner", 0);
  SHOW(control(EPOLL_CTL_DEL, event, 0));
  instance = outer;
  wait_for("nested, removed", 0);

  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  alarm(1);
  SHOW(epoll_wait(outer, found, 8, 5000));
  sigset_t mask, blocked;
  sigemptyset(&mask);
  sigaddset(&blocked, SIGALRM);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGALRM);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  raise(SIGALRM);
  SHOW(epoll_pwait(outer, found, 8, 1000, &mask));
  SHOW(epoll_pwait(outer, found, 8, 0, &blocked));

  int many[100];
  for (int index = 0; index < 40; index++) {
    many[index] = eventfd(1, 0);
    control(EPOLL_CTL_ADD, many[index], EPOLLIN);
  }
  int seen = 0;
  for (int round = 0; round < 5; round++) {
    int got = epoll_wait(outer, found, 8, 0);
    for (int index = 0; index < got; index++) {
      eventfd_read(found[index].data.fd, &value);
      seen++;
    }
  }
  VALUE(seen);
  wait_for("all drained", 0);
  many_events();
  return 0;
}
