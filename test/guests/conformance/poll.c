// poll and select: answers, time-outs, signal masks.
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/select.h>

static void on_signal(int signal) { printf("signal %d\n", signal == SIGUSR1); }

static void *later(void *descriptor) {
  usleep(30000);
  eventfd_write(*(int *)descriptor, 1);
  return NULL;
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  int event = eventfd(0, EFD_NONBLOCK), ends[2];
  if (pipe(ends)) return 1;
  struct pollfd entries[4] = {{event, POLLIN, 0}, {-1, POLLIN, 99}, {ends[1], POLLOUT, 0}, {100, POLLIN, 0}};
  SHOW(poll(entries, 2, 0));
  printf("%x\n", entries[1].revents);
  SHOW(poll(entries, 3, -1));
  printf("%x %x\n", entries[0].revents, entries[2].revents);
  SHOW(poll(entries, 4, 1000));
  printf("%x\n", entries[3].revents);
  SHOW(poll(NULL, 0, 10));
  SHOW(poll((struct pollfd *)8, 1, 0));
  int file = open("file", O_RDWR | O_CREAT, 0644);
  struct pollfd regular = {file, POLLIN | POLLOUT | POLLPRI, 0};
  SHOW(poll(&regular, 1, 0));
  printf("%x\n", regular.revents);
  long start = milliseconds();
  SHOW(poll(entries, 1, 40));
  VALUE(milliseconds() - start >= 39);
  pthread_t thread;
  pthread_create(&thread, NULL, later, &event);
  SHOW(poll(entries, 1, 5000));
  pthread_join(thread, NULL);
  printf("%x\n", entries[0].revents);

  fd_set reads, writes, exceptions;
  FD_ZERO(&reads);
  FD_ZERO(&writes);
  FD_ZERO(&exceptions);
  FD_SET(event, &reads);
  FD_SET(ends[0], &reads);
  FD_SET(ends[1], &writes);
  FD_SET(event, &exceptions);
  struct timeval limit = {1, 0};
  SHOW(select(ends[1] + 1, &reads, &writes, &exceptions, &limit));
  VALUE(FD_ISSET(event, &reads));
  VALUE(FD_ISSET(ends[0], &reads));
  VALUE(FD_ISSET(ends[1], &writes));
  VALUE(FD_ISSET(event, &exceptions));
  VALUE(limit.tv_sec == 0 || limit.tv_sec == 1);
  FD_ZERO(&reads);
  FD_SET(60, &reads);
  SHOW(select(61, &reads, NULL, NULL, &limit));
  // Beyond the table's room nothing is looked at.
  FD_ZERO(&reads);
  FD_SET(1000, &reads);
  limit = (struct timeval){0, 0};
  SHOW(select(1001, &reads, NULL, NULL, &limit));
  SHOW(select(-1, NULL, NULL, NULL, &limit));
  FD_ZERO(&reads);
  FD_SET(ends[0], &reads);
  limit = (struct timeval){0, 30000};
  SHOW(select(ends[0] + 1, &reads, NULL, NULL, &limit));
  VALUE(FD_ISSET(ends[0], &reads));
  VALUE(limit.tv_sec * 1000000 + limit.tv_usec);
  limit = (struct timeval){-1, 0};
  SHOW(select(0, NULL, NULL, NULL, &limit));
  close(ends[1]);
  FD_SET(ends[0], &reads);
  SHOW(select(ends[0] + 1, &reads, NULL, NULL, NULL));

  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  sigset_t none, blocked;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  raise(SIGUSR1);
  struct timespec time = {2, 0};
  SHOW(poll(NULL, 0, 20));
  SHOW(ppoll(NULL, 0, &time, &none));
  sigset_t after;
  sigprocmask(SIG_BLOCK, NULL, &after);
  VALUE(sigismember(&after, SIGUSR1));
  raise(SIGUSR1);
  SHOW(pselect(0, NULL, NULL, NULL, &time, &none));
  sigprocmask(SIG_BLOCK, NULL, &after);
  VALUE(sigismember(&after, SIGUSR1));
  // A file that is ready wins over a signal that waits.
  raise(SIGUSR1);
  SHOW(ppoll(entries, 1, &time, &none));
  return 0;
}
