// eventfd, timerfd, signalfd.
#include "show.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static uint64_t value;

static long get(int descriptor) {
  value = 0;
  return read(descriptor, &value, 8);
}

static long put(int descriptor, uint64_t number) { return write(descriptor, &number, 8); }

static short ready(int descriptor, int wait) {
  struct pollfd poll_one = {descriptor, POLLIN | POLLOUT, 0};
  poll(&poll_one, 1, wait);
  return poll_one.revents;
}

int main(void) {
  setbuf(stdout, NULL);
  int event = eventfd(3, EFD_NONBLOCK);
  printf("%x\n", ready(event, 0));
  SHOW(put(event, 4));
  SHOW(get(event));
  VALUE(value);
  SHOW(get(event));
  printf("%x\n", ready(event, 0));
  SHOW(put(event, UINT64_MAX - 1));
  printf("%x\n", ready(event, 0));
  SHOW(put(event, 1));
  SHOW(put(event, UINT64_MAX));
  char short_buffer[7];
  SHOW(read(event, short_buffer, 7));
  SHOW(write(event, short_buffer, 7));
  SHOW(lseek(event, 0, SEEK_SET));
  SHOW(eventfd(0, 0x10));
  int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  SHOW(get(semaphore));
  VALUE(value);
  SHOW(get(semaphore));
  SHOW(get(semaphore));
  struct stat status;
  SHOW(fstat(semaphore, &status));
  printf("%o\n", status.st_mode);

  SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
  SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec setting = {{0, 0}, {0, 30000000}}, old;
  SHOW(get(timer));
  printf("%x\n", ready(timer, 0));
  SHOW(timerfd_settime(timer, 0, &setting, NULL));
  printf("%x\n", ready(timer, 1000));
  SHOW(get(timer));
  VALUE(value);
  SHOW(timerfd_gettime(timer, &old));
  printf("%ld %ld\n", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
  setting = (struct itimerspec){{0, 20000000}, {0, 10000000}};
  SHOW(timerfd_settime(timer, 0, &setting, NULL));
  usleep(75000);
  SHOW(get(timer));
  VALUE(value >= 4);
  setting = (struct itimerspec){{0, 0}, {100, 0}};
  SHOW(timerfd_settime(timer, 0, &setting, &old));
  printf("%ld %ld\n", (long)old.it_interval.tv_sec, old.it_interval.tv_nsec);
  SHOW(timerfd_settime(timer, 0, &setting, &old));
  VALUE(old.it_value.tv_sec);
  clock_gettime(CLOCK_MONOTONIC, &setting.it_value);
  SHOW(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL));
  SHOW(get(timer));
  VALUE(value);
  setting.it_value.tv_nsec = 1000000000;
  SHOW(timerfd_settime(timer, 0, &setting, NULL));
  SHOW(timerfd_settime(timer, 0x80, &setting, NULL));
  SHOW(timerfd_settime(event, 0, &setting, NULL));
  setting = (struct itimerspec){0};
  SHOW(timerfd_settime(timer, 0, &setting, NULL));
  SHOW(get(timer));
  int wall = timerfd_create(CLOCK_REALTIME, 0);
  clock_gettime(CLOCK_REALTIME, &setting.it_value);
  setting.it_value.tv_nsec += 20000000;
  if (setting.it_value.tv_nsec >= 1000000000) setting.it_value.tv_nsec -= 1000000000, setting.it_value.tv_sec++;
  SHOW(timerfd_settime(wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting, NULL));
  SHOW(get(wall));
  VALUE(value);

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  int signals = signalfd(-1, &mask, SFD_NONBLOCK);
  struct signalfd_siginfo info[4];
  SHOW(read(signals, info, sizeof *info));
  printf("%x\n", ready(signals, 0));
  SHOW(kill(getpid(), SIGUSR1));
  SHOW(kill(getpid(), SIGUSR1));
  union sigval with = {.sival_int = 42};
  SHOW(sigqueue(getpid(), SIGRTMIN, with));
  SHOW(sigqueue(getpid(), SIGRTMIN, with));
  printf("%x\n", ready(signals, 0));
  SHOW(read(signals, info, 100));
  SHOW(read(signals, info, sizeof info));
  VALUE(info[0].ssi_signo == SIGUSR1);
  VALUE(info[0].ssi_pid == (uint32_t)getpid());
  VALUE(info[0].ssi_code);
  VALUE(info[1].ssi_signo == (uint32_t)SIGRTMIN);
  VALUE(info[1].ssi_int);
  SHOW(read(signals, info, sizeof *info));
  SHOW(signalfd(event, &mask, 0));
  SHOW(raise(SIGUSR1));
  SHOW(read(signals, info, sizeof info));
  return 0;
}
