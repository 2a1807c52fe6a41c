// What a kernel could go round and round with for ever.
#include "show.h"
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/time.h>

static long futex(const void *word, int operation) { return syscall(SYS_futex, word, operation, 0, NULL, NULL, 0); }

// A page can be brought in for each of these, but no word is there.
static void words_out_of_line(void) {
  static uint32_t words[4];
  const char *odd = (const char *)words + 1;
  SHOW(futex(odd, FUTEX_TRYLOCK_PI));
  SHOW(futex(odd, FUTEX_LOCK_PI));
  SHOW(futex(odd, FUTEX_WAIT));
  SHOW(syscall(SYS_futex, words, FUTEX_WAKE_OP, 1, 1, odd, 0));
}

// Expires more often than anything can be done about it. The signals are blocked or ignored: handlers would leave time for nothing else.
static void timers_without_rest(void) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  const struct itimerspec fast = {{0, 1}, {0, 1}}, never = {0};
  timer_t timer;
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  SHOW(timer_settime(timer, 0, &fast, NULL));
  usleep(10000);
  SHOW(timer_settime(timer, 0, &never, NULL));
  SHOW(timer_delete(timer));

  signal(SIGALRM, SIG_IGN);
  const struct itimerval often = {{0, 1}, {0, 1}}, off = {0};
  SHOW(setitimer(ITIMER_REAL, &often, NULL));
  usleep(10000);
  SHOW(setitimer(ITIMER_REAL, &off, NULL));
}

int main(void) {
  words_out_of_line();
  timers_without_rest();
  return 0;
}
