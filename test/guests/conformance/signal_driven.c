// Signal-driven input and output: O_ASYNC, who is told, by which signal, and what it says.
#include "show.h"
#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static sigset_t watched;

// Prints the next signal that came, waiting for it a moment.
static void show_signal(const char *name, int descriptor) {
  siginfo_t info;
  int signal = sigtimedwait(&watched, &info, &(struct timespec){2, 0});
  if (signal < 0) {
    printf("%s: %s\n", name, strerrorname_np(errno));
    return;
  }
  printf("%s: %s, code %d", name, signal == SIGIO ? "SIGIO" : signal == SIGRTMIN ? "SIGRTMIN" : "SIGUSR1", info.si_code);
  if (signal != SIGIO) printf(", band %#lx, %s", (unsigned long)info.si_band, info.si_fd == descriptor ? "its descriptor" : "another");
  printf("\n");
}

static void show_silence(const char *name) {
  siginfo_t info;
  int signal = sigtimedwait(&watched, &info, &(struct timespec){0, 20000000});
  printf("%s: %s\n", name, signal < 0 ? "nothing" : "a signal");
}

static void ask(int descriptor, int signal) {
  fcntl(descriptor, F_SETOWN, getpid());
  fcntl(descriptor, F_SETSIG, signal);
  SHOW(fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_ASYNC));
}

static void owners(void) {
  int ends[2];
  pipe(ends);
  SHOW(fcntl(ends[0], F_GETOWN));
  SHOW(fcntl(ends[0], F_GETSIG));
  SHOW(fcntl(ends[0], F_SETOWN, 4000000));
  SHOW(fcntl(ends[0], F_SETOWN, INT_MIN));
  SHOW(fcntl(ends[0], F_SETOWN, getpid()));
  VALUE(fcntl(ends[0], F_GETOWN) == getpid());
  SHOW(fcntl(ends[0], F_SETOWN, -getpgrp()));
  struct f_owner_ex owner;
  SHOW(fcntl(ends[0], F_GETOWN_EX, &owner));
  VALUE(owner.type == F_OWNER_PGRP && owner.pid == getpgrp());
  owner = (struct f_owner_ex){F_OWNER_TID, gettid()};
  SHOW(fcntl(ends[0], F_SETOWN_EX, &owner));
  SHOW(fcntl(ends[0], F_GETOWN_EX, &owner));
  VALUE(owner.type == F_OWNER_TID && owner.pid == gettid());
  SHOW(fcntl(ends[0], F_SETOWN_EX, &(struct f_owner_ex){7, getpid()}));
  SHOW(fcntl(ends[0], F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, 4000000}));
  SHOW(fcntl(ends[0], F_SETOWN_EX, NULL));
  SHOW(fcntl(ends[0], F_SETSIG, 65));
  SHOW(fcntl(ends[0], F_SETSIG, -1));
  SHOW(fcntl(ends[0], F_SETSIG, SIGUSR1));
  SHOW(fcntl(ends[0], F_GETSIG) == SIGUSR1);
  SHOW(fcntl(ends[1], F_GETSIG));
  SHOW(fcntl(ends[0], F_SETOWN, 0));
  SHOW(fcntl(ends[0], F_GETOWN));

  pid_t child = fork();
  if (child == 0) _exit(0);
  SHOW(fcntl(ends[0], F_SETOWN, child));
  waitpid(child, NULL, 0);
  SHOW(fcntl(ends[0], F_GETOWN));

  int both[2], on = 1, number = getpid();
  socketpair(AF_UNIX, SOCK_STREAM, 0, both);
  SHOW(ioctl(both[0], SIOCSPGRP, &number));
  number = 0;
  SHOW(ioctl(both[0], SIOCGPGRP, &number));
  VALUE(number == getpid());
  SHOW(ioctl(both[0], FIOGETOWN, &number));
  SHOW(ioctl(ends[0], SIOCGPGRP, &number));
  SHOW(ioctl(both[0], SIOCSPGRP, NULL));
  SHOW(ioctl(both[0], FIOASYNC, &on));
  VALUE(!!(fcntl(both[0], F_GETFL) & O_ASYNC));

  // These tell nothing, and one of the two ways says so.
  int event = eventfd(0, 0), file = open("file", O_RDWR | O_CREAT, 0600);
  SHOW(ioctl(event, FIOASYNC, &on));
  SHOW(ioctl(file, FIOASYNC, &on));
  VALUE(!!(fcntl(file, F_GETFL) & O_ASYNC));
  SHOW(fcntl(file, F_SETFL, O_ASYNC));
  VALUE(!!(fcntl(file, F_GETFL) & O_ASYNC));
  VALUE(!!(fcntl(open("file", O_RDWR | O_ASYNC), F_GETFL) & O_ASYNC));
}

static void pipes(void) {
  int ends[2];
  char bytes[4096] = {0};
  pipe2(ends, O_NONBLOCK);
  write(ends[1], "a", 1);
  ask(ends[0], 0);
  show_silence("what was there before");
  write(ends[1], "b", 1);
  show_signal("a pipe is written to", ends[0]);
  ask(ends[0], SIGRTMIN);
  write(ends[1], "c", 1);
  write(ends[1], "d", 1);
  show_signal("with a signal of its own", ends[0]);
  show_signal("twice", ends[0]);
  show_silence("and not again");
  int copy = dup(ends[0]);
  write(ends[1], "d", 1);
  show_signal("a copy of the descriptor", ends[0]);
  read(ends[0], bytes, sizeof bytes);
  show_silence("a pipe is read from");

  ask(ends[1], SIGUSR1);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  while (write(ends[1], bytes, sizeof bytes) > 0)
    ;
  show_silence("filled by who is told of room");
  read(ends[0], bytes, sizeof bytes);
  show_signal("there is room", ends[1]);

  // Only the description's end ends it.
  ask(ends[0], SIGRTMIN);
  close(ends[0]);
  while (read(copy, bytes, sizeof bytes) > 0) sigtimedwait(&watched, NULL, &(struct timespec){0, 0});
  while (sigtimedwait(&watched, NULL, &(struct timespec){0, 20000000}) > 0)
    ;
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  write(ends[1], "e", 1);
  show_signal("one descriptor of two is closed", ends[0]);
  close(copy);
  write(ends[1], "f", 1);
  show_silence("both are closed");
}

static void sockets(void) {
  int both[2];
  char bytes[16];
  socketpair(AF_UNIX, SOCK_STREAM, 0, both);
  ask(both[0], SIGRTMIN);
  send(both[1], "a", 1, 0);
  show_signal("a Unix socket", both[0]);
  recv(both[0], bytes, sizeof bytes, 0);

  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  bind(udp, (struct sockaddr *)&address, size);
  getsockname(udp, (struct sockaddr *)&address, &size);
  ask(udp, SIGUSR1);
  sendto(socket(AF_INET, SOCK_DGRAM, 0), "a", 1, 0, (struct sockaddr *)&address, size);
  show_signal("a datagram", udp);

  address.sin_port = 0;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (struct sockaddr *)&address, size);
  listen(listener, 4);
  getsockname(listener, (struct sockaddr *)&address, &size);
  ask(listener, SIGUSR1);
  connect(client, (struct sockaddr *)&address, size);
  show_signal("a connection to accept", listener);
  int server = accept(listener, NULL, NULL);
  ask(server, SIGRTMIN);
  while (sigtimedwait(&watched, NULL, &(struct timespec){0, 50000000}) > 0)
    ;
  send(client, "a", 1, 0);
  show_signal("data of TCP", server);
  fcntl(server, F_SETFL, 0);
  send(client, "a", 1, 0);
  show_silence("asked no more");
}

static int notes;

static void *make_a_file(void *unused) {
  close(creat("another", 0600));
  return unused;
}

static void others(void) {
  notes = inotify_init();
  inotify_add_watch(notes, ".", IN_CREATE);
  ask(notes, SIGRTMIN);
  fcntl(notes, F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_TID, gettid()});
  pthread_t thread;
  pthread_create(&thread, NULL, make_a_file, NULL);
  pthread_join(thread, NULL);
  show_signal("a file is made, told to this thread", notes);

  // A child is told by a group's name, and the parent as well.
  int ends[2], status;
  pipe(ends);
  ask(ends[0], SIGUSR1);
  fcntl(ends[0], F_SETOWN, -getpgrp());
  pid_t child = fork();
  if (child == 0) {
    siginfo_t info;
    _exit(sigtimedwait(&watched, &info, &(struct timespec){2, 0}) == SIGUSR1 ? 0 : 1);
  }
  write(ends[1], "a", 1);
  show_signal("a group is told", ends[0]);
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));

  // One that another child has asked for outlives it.
  child = fork();
  if (child == 0) {
    fcntl(ends[0], F_SETOWN, getppid());
    _exit(0);
  }
  waitpid(child, NULL, 0);
  write(ends[1], "a", 1);
  show_signal("who asked has gone", ends[0]);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  setpgid(0, 0);
  enter_scratch();
  sigemptyset(&watched);
  sigaddset(&watched, SIGIO);
  sigaddset(&watched, SIGUSR1);
  sigaddset(&watched, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &watched, NULL);
  owners();
  pipes();
  sockets();
  others();
  return 0;
}
