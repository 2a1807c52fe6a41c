// POSIX message queues. (System V's: system_v.c.)
#include "show.h"
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static char name[64];
static char buffer[8192];

static int raw_open(const char *path, int flags, int mode, const struct mq_attr *attributes) {
  return syscall(SYS_mq_open, path, flags, mode, attributes);
}

static void show_attributes(mqd_t queue) {
  struct mq_attr now;
  memset(&now, 0x55, sizeof now);
  if (SHOW(mq_getattr(queue, &now)) == 0)
    printf("%ld %ld %ld %ld\n", now.mq_flags, now.mq_maxmsg, now.mq_msgsize, now.mq_curmsgs);
}

static void show_received(mqd_t queue) {
  unsigned int priority = 99;
  ssize_t length = mq_receive(queue, buffer, sizeof buffer, &priority);
  if (length < 0)
    printf("received -1 %s\n", strerrorname_np(errno));
  else
    printf("received %.*s of priority %u\n", (int)length, buffer, priority);
}

static struct timespec in_milliseconds(long milliseconds) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  long nanoseconds = time.tv_nsec + milliseconds * 1000000;
  time.tv_sec += nanoseconds / 1000000000;
  time.tv_nsec = nanoseconds % 1000000000;
  return time;
}

static void names_and_permissions(void) {
  struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 16};
  SHOW(mq_open(name, O_RDONLY));
  SHOW(mq_unlink(name));
  SHOW(raw_open("", O_RDWR | O_CREAT, 0600, NULL));
  SHOW(raw_open(".", O_RDWR | O_CREAT, 0600, NULL));
  SHOW(raw_open("..", O_RDWR, 0, NULL));
  SHOW(raw_open("/absolute", O_RDWR | O_CREAT, 0600, NULL));
  SHOW(raw_open("a/b", O_RDWR | O_CREAT, 0600, NULL));
  SHOW(raw_open(NULL, O_RDWR | O_CREAT, 0600, NULL));
  SHOW(raw_open(name + 1, O_RDWR | O_CREAT, 0600, (void *)1));
  SHOW(syscall(SYS_mq_unlink, ""));
  SHOW(syscall(SYS_mq_unlink, ".."));
  SHOW(syscall(SYS_mq_unlink, "a/b"));
  static char longest[258];
  memset(longest, 'n', 256);
  SHOW(raw_open(longest, O_RDWR, 0600, NULL));
  longest[255] = 0;
  SHOW(raw_open(longest, O_RDWR, 0600, NULL));

  struct mq_attr bad = {.mq_maxmsg = 0, .mq_msgsize = 16};
  SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
  bad.mq_maxmsg = -1;
  SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
  bad = (struct mq_attr){.mq_maxmsg = 1 << 20, .mq_msgsize = 16};
  SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
  bad = (struct mq_attr){.mq_maxmsg = 2, .mq_msgsize = 1 << 28};
  SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
  bad = (struct mq_attr){.mq_maxmsg = 2, .mq_msgsize = 0};
  SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));

  mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0666, &small));
  SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0666, &small));
  SHOW(mq_open(name, O_RDWR | O_WRONLY));
  // What it was made for stays.
  struct mq_attr other = {.mq_maxmsg = 1, .mq_msgsize = 1};
  mqd_t again = WORKS(mq_open(name, O_RDONLY | O_CREAT, 0666, &other));
  show_attributes(again);
  SHOW(mq_send(again, "x", 1, 0));
  mqd_t writer = WORKS(mq_open(name, O_WRONLY));
  SHOW(mq_receive(writer, buffer, sizeof buffer, NULL));
  SHOW(fcntl(queue, F_GETFD));
  SHOW(fcntl(queue, F_GETFL));
  SHOW(fcntl(again, F_GETFL));

  struct stat file;
  SHOW(fstat(queue, &file));
  VALUE(file.st_mode);
  VALUE(file.st_nlink);
  VALUE(file.st_size);
  VALUE(file.st_uid == geteuid());
  struct statfs system;
  SHOW(fstatfs(queue, &system));
  VALUE(system.f_type);
  SHOW(fchmod(queue, 0600));
  SHOW(fstat(queue, &file));
  VALUE(file.st_mode);
  memset(buffer, 0, sizeof buffer);
  SHOW(read(queue, buffer, sizeof buffer));
  printf("%s", buffer);
  SHOW(read(queue, buffer, sizeof buffer));
  SHOW(lseek(queue, 0, SEEK_SET));
  SHOW(write(queue, "x", 1));
  SHOW((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, queue, 0));
  SHOW(fsync(queue));
  int number;
  SHOW(ioctl(queue, FIONREAD, &number));

  pid_t child = fork();
  if (child == 0) {
    setgid(65534);
    setuid(65534);
    SHOW(mq_open(name, O_RDONLY));
    SHOW(mq_open(name, O_WRONLY));
    SHOW(mq_unlink(name));
    // What was opened before stays open.
    SHOW(mq_send(queue, "child", 5, 3));
    char mine[80];
    snprintf(mine, sizeof mine, "%s-child", name);
    umask(0777);
    WORKS(mq_open(mine, O_RDWR | O_CREAT, 0666, &small));
    SHOW(mq_open(mine, O_RDWR));
    SHOW(mq_unlink(mine));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  show_received(queue);

  SHOW(mq_unlink(name));
  SHOW(mq_unlink(name));
  SHOW(mq_open(name, O_RDWR));
  // As long as somebody has it open it is there.
  SHOW(mq_send(queue, "late", 4, 0));
  show_received(again);
  SHOW(fstat(queue, &file));
  VALUE(file.st_nlink);
  SHOW(mq_close(queue));
  SHOW(mq_close(again));
  SHOW(mq_close(writer));
  SHOW(mq_close(writer));
}

static void messages(void) {
  struct mq_attr small = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &small));
  show_received(queue);
  SHOW(mq_send(queue, "one", 3, 1));
  SHOW(mq_send(queue, "zero", 4, 0));
  SHOW(mq_send(queue, "five", 4, 5));
  SHOW(mq_send(queue, "uno", 3, 1));
  SHOW(mq_send(queue, "six", 3, 6));
  show_attributes(queue);
  SHOW(lseek(queue, 0, SEEK_SET));
  memset(buffer, 0, sizeof buffer);
  SHOW(read(queue, buffer, sizeof buffer));
  printf("%s", buffer);
  for (int i = 0; i < 5; i++)
    show_received(queue);
  SHOW(mq_send(queue, "", 0, 32767));
  show_received(queue);
  SHOW(mq_send(queue, "x", 1, 32768));
  SHOW(mq_send(queue, "seventeen letters", 17, 0));
  SHOW(mq_send(queue, (void *)1, 1, 0));
  SHOW(mq_receive(queue, buffer, 15, NULL));
  SHOW(mq_receive(queue, buffer, 16, NULL));
  SHOW(mq_send(queue, "lost", 4, 0));
  SHOW(mq_receive(queue, (void *)1, 16, NULL));
  show_attributes(queue);
  SHOW(mq_send(0, "x", 1, 0));
  SHOW(mq_receive(-1, buffer, 16, NULL));
  SHOW(mq_getattr(1, &small));

  struct mq_attr flags = {.mq_flags = 0, .mq_maxmsg = 9}, old;
  SHOW(mq_setattr(queue, &flags, &old));
  VALUE(old.mq_flags);
  show_attributes(queue);
  flags.mq_flags = O_RDWR;
  SHOW(mq_setattr(queue, &flags, NULL));
  SHOW(syscall(SYS_mq_getsetattr, queue, NULL, NULL));

  // Times of the wall clock.
  struct timespec past = {1, 0}, bad = {1, 1000000000}, soon = in_milliseconds(30);
  long before = milliseconds();
  SHOW(mq_timedreceive(queue, buffer, sizeof buffer, NULL, &past));
  SHOW(mq_timedreceive(queue, buffer, sizeof buffer, NULL, &soon));
  VALUE(milliseconds() - before >= 25);
  SHOW(mq_timedreceive(queue, buffer, sizeof buffer, NULL, &bad));
  for (int i = 0; i < 4; i++)
    mq_send(queue, "full", 4, i);
  soon = in_milliseconds(30);
  SHOW(mq_timedsend(queue, "more", 4, 0, &soon));
  SHOW(mq_timedsend(queue, "more", 4, 0, &bad));
  SHOW(mq_timedsend(queue, "more", 4, 0, &past));
  show_attributes(queue);

  // Readiness.
  struct pollfd both = {.fd = queue, .events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM};
  SHOW(poll(&both, 1, 0));
  VALUE(both.revents);
  int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  SHOW(epoll_ctl(set, EPOLL_CTL_ADD, queue, &event));
  SHOW(epoll_wait(set, &event, 1, 0));
  VALUE(event.events);
  SHOW(epoll_wait(set, &event, 1, 0));
  show_received(queue);
  SHOW(epoll_wait(set, &event, 1, 0));
  VALUE(event.events);
  for (int i = 0; i < 3; i++)
    show_received(queue);
  SHOW(poll(&both, 1, 0));
  VALUE(both.revents);
  SHOW(mq_close(queue));
  SHOW(mq_unlink(name));
}

static void handler(int signal) { (void)signal; }

static void waiting(void) {
  struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 16};
  mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &small));
  pid_t child = fork();
  if (child == 0) {
    usleep(30000);
    mq_send(queue, "first", 5, 1);
    // Waits until the other has taken it.
    mq_send(queue, "second", 6, 2);
    mq_send(queue, "third", 5, 3);
    _exit(0);
  }
  show_received(queue);
  usleep(30000);
  // What waited for room comes into the place of what was taken.
  SHOW(fcntl(queue, F_SETFL, O_NONBLOCK));
  show_received(queue);
  usleep(30000);
  show_received(queue);
  show_received(queue);
  SHOW(fcntl(queue, F_SETFL, 0));
  waitpid(child, NULL, 0);

  // A signal ends a wait, unless its handler wants the call to go on.
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, NULL);
  pid_t parent = getpid();
  for (int restart = 0; restart < 2; restart++) {
    action.sa_flags = restart ? SA_RESTART : 0;
    sigaction(SIGUSR1, &action, NULL);
    child = fork();
    if (child == 0) {
      usleep(30000);
      kill(parent, SIGUSR1);
      usleep(30000);
      mq_send(queue, "after", 5, 1);
      _exit(0);
    }
    show_received(queue);
    waitpid(child, NULL, 0);
    struct mq_attr now;
    mq_getattr(queue, &now);
    if (now.mq_curmsgs)
      show_received(queue);
  }

  // Of two that wait the first gets the first.
  int pipes[2];
  pipe(pipes);
  pid_t children[2];
  for (int i = 0; i < 2; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      ssize_t length = mq_receive(queue, buffer, sizeof buffer, NULL);
      dprintf(pipes[1], "%d: %.*s\n", i, (int)length, buffer);
      _exit(0);
    }
    usleep(30000);
  }
  mq_send(queue, "a", 1, 0);
  waitpid(children[0], NULL, 0);
  mq_send(queue, "b", 1, 0);
  waitpid(children[1], NULL, 0);
  ssize_t length = read(pipes[0], buffer, sizeof buffer);
  printf("%.*s", (int)length, buffer);
  close(pipes[0]);
  close(pipes[1]);

  // Descriptors close on execution.
  SHOW(fcntl(queue, F_GETFD));
  SHOW(mq_close(queue));
  SHOW(mq_unlink(name));
}

static void show_signal(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  siginfo_t info;
  struct timespec soon = {0, 20000000};
  int signal = sigtimedwait(&set, &info, &soon);
  if (signal < 0)
    printf("no signal\n");
  else
    printf("signal %d, code %d, own %d, value %d\n", signal, info.si_code, info.si_pid == getpid(), info.si_value.sival_int);
}

static int told[2];

static void tell(union sigval value) {
  char byte = value.sival_int;
  write(told[1], &byte, 1);
}

static void notifications(void) {
  struct mq_attr small = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &small));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 7};
  SHOW(mq_notify(queue, &event));
  SHOW(mq_notify(queue, &event));
  memset(buffer, 0, sizeof buffer);
  read(queue, buffer, sizeof buffer);
  printf("%.*s\n", (int)(strstr(buffer, "NOTIFY_PID:") - buffer), buffer);
  pid_t child = fork();
  if (child == 0) {
    SHOW(mq_notify(queue, &event));
    // Not its own.
    SHOW(mq_notify(queue, NULL));
    SHOW(mq_close(queue));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  SHOW(mq_send(queue, "a", 1, 0));
  show_signal();
  // Once, and only into an empty queue.
  show_received(queue);
  SHOW(mq_send(queue, "b", 1, 0));
  show_signal();
  SHOW(mq_notify(queue, &event));
  SHOW(mq_send(queue, "c", 1, 0));
  show_signal();
  show_received(queue);
  show_received(queue);
  // Who waits for it gets it, and nobody is told.
  child = fork();
  if (child == 0) {
    struct timespec later = in_milliseconds(5000);
    fcntl(queue, F_SETFL, 0);
    _exit(mq_timedreceive(queue, buffer, sizeof buffer, NULL, &later) == 1 ? 7 : 8);
  }
  usleep(50000);
  SHOW(mq_send(queue, "d", 1, 0));
  int status;
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));
  show_signal();
  SHOW(mq_send(queue, "e", 1, 0));
  show_signal();
  SHOW(fcntl(queue, F_SETFL, O_NONBLOCK));
  show_received(queue);
  SHOW(mq_notify(queue, NULL));
  SHOW(mq_notify(queue, &event));
  SHOW(mq_notify(queue, NULL));
  SHOW(mq_send(queue, "f", 1, 0));
  show_signal();
  show_received(queue);
  // Closing any descriptor of it ends it.
  SHOW(mq_notify(queue, &event));
  close(dup(queue));
  SHOW(mq_send(queue, "g", 1, 0));
  show_signal();
  show_received(queue);
  // The sender may be another.
  SHOW(mq_notify(queue, &event));
  child = fork();
  if (child == 0)
    _exit(mq_send(queue, "h", 1, 0));
  waitpid(child, NULL, 0);
  show_signal();
  show_received(queue);

  event.sigev_signo = 65;
  SHOW(mq_notify(queue, &event));
  event.sigev_signo = 0;
  SHOW(mq_notify(queue, &event));
  SHOW(mq_send(queue, "i", 1, 0));
  show_received(queue);
  event.sigev_notify = 9;
  SHOW(mq_notify(queue, &event));
  event = (struct sigevent){.sigev_notify = SIGEV_NONE};
  SHOW(mq_notify(queue, &event));
  SHOW(mq_notify(queue, &event));
  SHOW(mq_send(queue, "j", 1, 0));
  SHOW(mq_notify(queue, &event));
  SHOW(mq_notify(queue, NULL));
  SHOW(mq_notify(1, &event));
  SHOW(mq_notify(-1, NULL));
  show_received(queue);

  // What the C library does for a thread.
  char cookie[32] = "told by a message on a socket..", message[64];
  event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = cookie};
  event.sigev_signo = queue;
  SHOW(syscall(SYS_mq_notify, queue, &event));
  event.sigev_signo = -1;
  SHOW(syscall(SYS_mq_notify, queue, &event));
  int other = socket(AF_UNIX, SOCK_DGRAM, 0);
  event.sigev_signo = other;
  SHOW(syscall(SYS_mq_notify, queue, &event));
  close(other);
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
  event.sigev_signo = netlink;
  SHOW(syscall(SYS_mq_notify, queue, &event));
  SHOW(recv(netlink, message, sizeof message, MSG_DONTWAIT));
  SHOW(mq_send(queue, "k", 1, 0));
  SHOW(recv(netlink, message, sizeof message, MSG_DONTWAIT));
  printf("%.31s %d\n", message, message[31]);
  show_received(queue);
  SHOW(syscall(SYS_mq_notify, queue, &event));
  SHOW(mq_notify(queue, NULL));
  SHOW(recv(netlink, message, sizeof message, MSG_DONTWAIT));
  printf("%.31s %d\n", message, message[31]);
  close(netlink);
  pipe(told);
  event = (struct sigevent){
      .sigev_notify = SIGEV_THREAD, .sigev_notify_function = tell, .sigev_value.sival_int = 'T'};
  SHOW(mq_notify(queue, &event));
  SHOW(mq_send(queue, "l", 1, 0));
  SHOW(read(told[0], buffer, 1));
  printf("%c\n", buffer[0]);
  SHOW(mq_close(queue));
  SHOW(mq_unlink(name));
}

static void limits(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_MSGQUEUE, &limit);
  VALUE(limit.rlim_cur);
  pid_t child = fork();
  if (child == 0) {
    // One that nobody else on this machine is.
    setuid(4000000 + getpid());
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = 1024};
    // Each message counts with what is kept of it, and of its priority.
    limit.rlim_cur = 10 * (1024 + 48 + 48);
    setrlimit(RLIMIT_MSGQUEUE, &limit);
    mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    char second[80];
    snprintf(second, sizeof second, "%s-second", name);
    SHOW(mq_open(second, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    SHOW(mq_unlink(name));
    SHOW(mq_open(second, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    SHOW(mq_close(queue));
    WORKS(mq_open(second, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    SHOW(mq_unlink(second));
    // More than `msg_max`.
    attributes = (struct mq_attr){.mq_maxmsg = 11, .mq_msgsize = 1};
    SHOW(mq_open(second, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    attributes = (struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = 8193};
    SHOW(mq_open(second, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  mqd_t queue = WORKS(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
  show_attributes(queue);
  SHOW(mq_close(queue));
  SHOW(mq_unlink(name));
  const char *settings[] = {"queues_max", "msg_max", "msgsize_max", "msg_default", "msgsize_default"};
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", settings[i]);
    int file = open(path, O_RDONLY);
    ssize_t length = read(file, buffer, sizeof buffer);
    printf("%s %.*s", settings[i], (int)length, buffer);
    close(file);
  }
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  end_after(30);
  snprintf(name, sizeof name, "/conformance-%d", getpid());
  names_and_permissions();
  messages();
  waiting();
  notifications();
  limits();
  return 0;
}
