// Waits with an end that a process is in when it is stopped, and goes on with when it continues.
#include "show.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

enum { LENGTH = 1200, STOPPED = 900 };
static const struct timespec length = {LENGTH / 1000, LENGTH % 1000 * 1000000};
static int word;

static long by_nanosleep(void) { return nanosleep(&length, NULL); }
static long by_clock(void) {
  errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &length, NULL);
  return errno ? -1 : 0;
}
static long until(void) {
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += (end.tv_nsec + length.tv_nsec) / 1000000000 + length.tv_sec;
  end.tv_nsec = (end.tv_nsec + length.tv_nsec) % 1000000000;
  errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
  return errno ? -1 : 0;
}
static long by_poll(void) { return poll(NULL, 0, LENGTH); }
static long by_ppoll(void) { return ppoll(NULL, 0, &length, NULL); }
static long by_select(void) {
  return select(0, NULL, NULL, NULL, &(struct timeval){LENGTH / 1000, LENGTH % 1000 * 1000});
}
static long by_pselect(void) { return pselect(0, NULL, NULL, NULL, &length, NULL); }
static long by_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &length); }
static long by_epoll(void) { return epoll_wait(epoll_create1(0), &(struct epoll_event){0}, 1, LENGTH); }
static long by_signal(void) {
  sigset_t none;
  sigemptyset(&none);
  sigaddset(&none, SIGUSR2);
  return sigtimedwait(&none, NULL, &length);
}

static void nothing(int signal) { (void)signal; }

static const struct {
  const char *name;
  long (*wait)(void);
} waits[] = {
    {"nanosleep", by_nanosleep}, {"clock_nanosleep", by_clock}, {"clock_nanosleep until", until},
    {"poll", by_poll},           {"ppoll", by_ppoll},           {"select", by_select},
    {"pselect", by_pselect},     {"futex", by_futex},           {"epoll_wait", by_epoll},
    {"sigtimedwait", by_signal},
};
enum { COUNT = sizeof waits / sizeof *waits };

// Each in a child of its own, all at once. `handled` is a signal that comes after they continue.
static void stop(const char *what, int handled) {
  pid_t children[COUNT];
  int results[COUNT][2];
  printf("%s\n", what);
  fflush(stdout);
  for (int index = 0; index < COUNT; index++) {
    pipe(results[index]);
    if ((children[index] = fork()) == 0) {
      signal(SIGUSR1, nothing);
      long start = milliseconds();
      long result = waits[index].wait();
      const char *error = result == -1 ? strerrorname_np(errno) : "no error";
      long took = milliseconds() - start;
      char line[128];
      // Twice the time would be LENGTH + STOPPED at the least.
      int size = snprintf(line, sizeof line, "  %s: %ld, %s, %s\n", waits[index].name, result, error,
                          took >= LENGTH + STOPPED    ? "too long"
                          : took >= LENGTH            ? "in time"
                                                      : "early");
      write(results[index][1], line, size);
      _exit(0);
    }
    close(results[index][1]);
  }
  usleep(STOPPED * 1000);
  for (int index = 0; index < COUNT; index++) kill(children[index], SIGSTOP);
  for (int index = 0; index < COUNT; index++) waitpid(children[index], NULL, WUNTRACED);
  for (int index = 0; index < COUNT; index++) {
    if (handled) kill(children[index], handled);
    kill(children[index], SIGCONT);
  }
  for (int index = 0; index < COUNT; index++) {
    char line[128];
    ssize_t size = read(results[index][0], line, sizeof line);
    fwrite(line, 1, size > 0 ? size : 0, stdout);
    close(results[index][0]);
    waitpid(children[index], NULL, 0);
  }
}

int main(void) {
  alarm(60);
  stop("stopped and continued", 0);
  stop("with a signal that has a handler", SIGUSR1);
}
