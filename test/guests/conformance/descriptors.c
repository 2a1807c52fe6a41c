// Descriptors: lowest free number, dup, fcntl, close_range, limits.
#include "show.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

static int listener;

static volatile pid_t waiter;

static void *open_pipe(void *unused) {
  (void)unused;
  waiter = gettid();
  return (void *)(long)open("pipe", O_RDONLY);
}

static void *accept_one(void *unused) {
  (void)unused;
  waiter = gettid();
  return (void *)(long)accept(listener, NULL, NULL);
}

// Starts a thread, and returns when it waits.
static pthread_t start(void *call(void *)) {
  pthread_t thread;
  waiter = 0;
  pthread_create(&thread, NULL, call, NULL);
  for (char state = 0; state != 'S'; usleep(1000)) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", waiter);
    FILE *file = waiter ? fopen(path, "r") : NULL;
    if (file) {
      if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        exit(1);
      fclose(file);
    }
  }
  return thread;
}

// What other calls see of the number that a call which waits has got before.
static void show_reserved(int number) {
  VALUE(number);
  SHOW(dup2(1, number));
  SHOW(fcntl(number, F_GETFD));
  SHOW(close(number));
  SHOW(dup(1) - number);
  SHOW(close(number + 1));
  pid_t child = fork();
  if (child == 0) {
    SHOW(dup(1) - number);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

static void show_calls_that_wait(void) {
  pthread_t thread;
  void *result;
  int number = dup(1);
  close(number);

  WORKS(mkfifo("pipe", 0600));
  thread = start(open_pipe);
  show_reserved(number);
  int writer = open("pipe", O_WRONLY);
  pthread_join(thread, &result);
  VALUE((long)result == number);
  close(writer);
  close(number);

  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(bind(listener, (struct sockaddr *)&address, sizeof address));
  SHOW(listen(listener, 4));
  number = dup(1);
  close(number);
  thread = start(accept_one);
  show_reserved(number);

  // The limit is reached while it waits: it has its number already, and another finds none, so that no connection is lost.
  struct rlimit before, limit;
  getrlimit(RLIMIT_NOFILE, &before);
  limit = (struct rlimit){number + 2, before.rlim_max};
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(setrlimit(RLIMIT_NOFILE, &limit));
  SHOW(accept(listener, NULL, NULL));
  SHOW(connect(client, (struct sockaddr *)&address, sizeof address));
  pthread_join(thread, &result);
  VALUE((long)result == number);
  close(number);
  close(client);
  close(listener);
  setrlimit(RLIMIT_NOFILE, &before);
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  int base = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
  VALUE(base);
  SHOW(dup(base));
  SHOW(dup2(base, 10));
  SHOW(dup2(base, base));
  SHOW(dup3(base, base, 0));
  SHOW(dup3(base, 11, O_CLOEXEC));
  SHOW(dup3(base, 12, O_NONBLOCK));
  SHOW(fcntl(10, F_GETFD));
  SHOW(fcntl(11, F_GETFD));
  SHOW(fcntl(11, F_SETFD, 0));
  SHOW(fcntl(11, F_GETFD));
  SHOW(fcntl(base, F_DUPFD, 20));
  SHOW(fcntl(base, F_DUPFD_CLOEXEC, 20));
  SHOW(fcntl(21, F_GETFD));
  SHOW(close(4));
  SHOW(dup(base));
  SHOW(close(100));
  SHOW(close(-1));
  SHOW(dup(100));
  SHOW(dup2(100, 5));
  SHOW(dup2(base, -1));

  VALUE(fcntl(base, F_GETFL) & O_ACCMODE);
  SHOW(fcntl(base, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY));
  VALUE((fcntl(10, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE)) == (O_APPEND | O_NONBLOCK | O_RDWR));
  int off = 0, on = 1;
  SHOW(ioctl(base, FIONBIO, &off));
  VALUE((fcntl(base, F_GETFL) & O_NONBLOCK) != 0);
  SHOW(ioctl(base, FIOCLEX));
  SHOW(fcntl(base, F_GETFD));
  SHOW(ioctl(base, FIONCLEX));
  SHOW(fcntl(base, F_GETFD));
  (void)on;
  struct winsize size;
  SHOW(ioctl(base, TIOCGWINSZ, &size));
  SHOW(isatty(base));
  SHOW(fcntl(base, 9999));
  SHOW(fcntl(base, F_NOTIFY, 0));
  SHOW(fcntl(base, F_NOTIFY, DN_MULTISHOT));
  SHOW(fcntl(9999, F_NOTIFY, 0));

  int path = open("file", O_PATH);
  WORKS(path);
  char byte;
  SHOW(read(path, &byte, 1));
  SHOW(fcntl(path, F_SETFL, O_NONBLOCK));
  SHOW(lseek(path, 0, SEEK_SET));
  struct stat status;
  SHOW(fstat(path, &status));
  SHOW(fchmod(path, 0600));
  SHOW(close(path));

  SHOW(syscall(SYS_close_range, 20, 30, 0));
  SHOW(fcntl(20, F_GETFD));
  SHOW(syscall(SYS_close_range, 5, 4, 0));
  SHOW(syscall(SYS_close_range, 10, 11, 4));
  SHOW(fcntl(10, F_GETFD));
  SHOW(syscall(SYS_close_range, 10, ~0U, 0));
  SHOW(fcntl(10, F_GETFD));

  show_calls_that_wait();

  struct rlimit limit = {6, 6};
  SHOW(setrlimit(RLIMIT_NOFILE, &limit));
  SHOW(dup(base));
  SHOW(dup(base));
  SHOW(dup2(base, 6));
  SHOW(fcntl(base, F_DUPFD, 6));
  SHOW(open("not-made", O_CREAT | O_RDWR, 0644));
  SHOW(access("not-made", F_OK));
  return 0;
}
