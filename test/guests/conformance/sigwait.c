// Waiting for signals that are blocked: sigwaitinfo, sigtimedwait, by one thread of several, and what interrupts it.
#include "show.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static sigset_t waited;
static volatile sig_atomic_t handled;

static void handle(int signal) { handled = signal; }

// Sends a signal to the parent once that sleeps, as `/proc` has it.
static pid_t send_to_parent(int signal, int value) {
  pid_t child = fork();
  if (child != 0) return child;
  char path[64], state = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", getppid());
  while (state != 'S') {
    FILE *file = fopen(path, "r");
    fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
  }
  if (value >= 0)
    sigqueue(getppid(), signal, (union sigval){.sival_int = value});
  else
    kill(getppid(), signal);
  _exit(0);
}

static void show_taken(int signal, siginfo_t *info) {
  printf("took %d, code %d, value %d\n", signal, info->si_code, info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
}

static void *wait_in_thread(void *unused) {
  siginfo_t info;
  int signal = sigwaitinfo(&waited, &info);
  show_taken(signal, &info);
  return unused;
}

// A timer whose signal waits sends no other: that one tells how often it has expired besides.
static void wait_for_timer(void) {
  siginfo_t info;
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 5};
  struct itimerspec often = {{0, 20000000}, {0, 20000000}};
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  SHOW(timer_settime(timer, 0, &often, NULL));
  usleep(310000);
  VALUE(sigtimedwait(&waited, &info, &(struct timespec){0}) == SIGRTMIN + 3);
  VALUE(info.si_code == SI_TIMER && info.si_value.sival_int == 5);
  VALUE(info.si_overrun >= 10 && timer_getoverrun(timer) == info.si_overrun);
  int others = 0;
  while (sigtimedwait(&waited, &info, &(struct timespec){0}) > 0) others++;
  VALUE(others <= 1);
  SHOW(timer_delete(timer));
}

int main(void) {
  siginfo_t info;
  sigemptyset(&waited);
  for (int signal = 1; signal <= 64; signal++)
    if (signal == SIGTERM || signal == SIGUSR1 || signal == SIGWINCH || signal == SIGRTMIN + 3) sigaddset(&waited, signal);
  SHOW(sigprocmask(SIG_BLOCK, &waited, NULL));

  // SIGWINCH would be ignored if it were not blocked.
  const int signals[] = {SIGTERM, SIGWINCH, SIGRTMIN + 3};
  for (int i = 0; i < 3; i++) {
    pid_t child = send_to_parent(signals[i], i == 2 ? 42 : -1);
    int signal = sigwaitinfo(&waited, &info);
    show_taken(signal, &info);
    VALUE(info.si_pid == child);
    waitpid(child, NULL, 0);
  }

  // Another thread waits, while the first blocks the same signals and sleeps.
  pthread_t thread;
  pthread_create(&thread, NULL, wait_in_thread, NULL);
  pid_t child = send_to_parent(SIGUSR1, -1);
  pthread_join(thread, NULL);
  waitpid(child, NULL, 0);

  // What is not waited for is handled, and ends the wait.
  SHOW(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = handle, .sa_flags = SA_RESTART}, NULL) == 0);
  child = send_to_parent(SIGUSR2, -1);
  SHOW(sigwaitinfo(&waited, &info));
  VALUE(handled == SIGUSR2);
  waitpid(child, NULL, 0);

  SHOW(sigtimedwait(&waited, &info, &(struct timespec){0, 10000000}));
  SHOW(sigtimedwait(&waited, &info, &(struct timespec){0, 0}));
  SHOW(sigtimedwait(&waited, &info, &(struct timespec){0, 1000000000}));
  raise(SIGTERM);
  SHOW(sigtimedwait(&waited, &info, &(struct timespec){0, 0}) == SIGTERM);
  wait_for_timer();
  return 0;
}
