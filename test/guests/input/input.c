// What standard input is, and what comes from it.
#include "../conformance/show.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

int main(void) {
  setbuf(stdout, NULL);
  for (int i = 0; i < 3; i++) {
    char path[32], target[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", i);
    readlink(path, target, sizeof target - 1);
    printf("%d: %s, %s\n", i, target, isatty(i) ? "a terminal" : strerrorname_np(errno));
  }
  struct winsize size;
  SHOW(ioctl(1, TIOCGWINSZ, &size));
  SHOW(ioctl(1, TIOCGPGRP, &size));
  SHOW(tcsetattr(1, TCSANOW, &(struct termios){0}));
  SHOW(open("/dev/tty", O_RDWR));
  struct pollfd ready = {0, POLLIN, 0};
  SHOW(poll(&ready, 1, -1));
  VALUE(ready.revents);
  unsigned long long sum = 0, count = 0;
  unsigned char buffer[1000];
  for (ssize_t length; (length = read(0, buffer, sizeof buffer)) > 0; count += length)
    for (ssize_t i = 0; i < length; i++) sum = sum * 31 + buffer[i];
  printf("%llu bytes, %llx\n", count, sum);
  SHOW(read(0, buffer, 1));
  return 0;
}
