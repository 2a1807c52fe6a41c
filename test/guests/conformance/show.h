// What the conformance programs share. Each prints what its calls return, one line a call, and nothing that may differ from one correct kernel to
// the next. The same binary must print the same on Linux and in a guest.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Prints a call, its result and its error.
#define SHOW(call)                                                                                                     \
  ({                                                                                                                   \
    errno = 0;                                                                                                         \
    long result_ = (long)(call);                                                                                       \
    if (result_ == -1)                                                                                                 \
      printf("%s = -1 %s\n", #call, strerrorname_np(errno) ? strerrorname_np(errno) : "?");                            \
    else                                                                                                               \
      printf("%s = %ld\n", #call, result_);                                                                            \
    result_;                                                                                                           \
  })

// Prints a name and a number.
#define VALUE(expression) printf("%s: %ld\n", #expression, (long)(expression))

// Prints whether a call fails, without its result, which may differ (a descriptor, an address).
#define WORKS(call)                                                                                                    \
  ({                                                                                                                   \
    errno = 0;                                                                                                         \
    long result_ = (long)(call);                                                                                       \
    printf("%s %s\n", #call, result_ >= 0 ? "works" : strerrorname_np(errno));                                         \
    result_;                                                                                                           \
  })

// A fresh working directory, in $TMPDIR or `/tmp`; who runs the program removes it.
static inline void enter_scratch(void) {
  static char template[256];
  const char *folder = getenv("TMPDIR");
  snprintf(template, sizeof template, "%s/conformance-XXXXXX", folder ? folder : "/tmp");
  if (!mkdtemp(template) || chdir(template)) {
    perror(template);
    exit(1);
  }
  umask(022);
}

// Both ends of one TCP connection over the loopback interface.
static inline void connect_both(int ends[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (struct sockaddr *)&address, size);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &size);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  connect(ends[0], (struct sockaddr *)&address, size);
  ends[1] = accept(listener, NULL, NULL);
  close(listener);
}

static inline long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void give_up(int signal) {
  (void)signal;
  static const char text[] = "It takes too long.\n";
  write(1, text, sizeof text - 1);
  _exit(1);
}

// Ends a program that would wait for ever where what it tests is missing. A handler does, because the first process of a guest has no others.
static inline void end_after(int seconds) {
  signal(SIGALRM, give_up);
  alarm(seconds);
}
