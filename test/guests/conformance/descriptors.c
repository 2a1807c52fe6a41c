// Descriptors: lowest free number, dup, fcntl, close_range, limits.
#include "show.h"
#include <sys/ioctl.h>
#include <sys/resource.h>

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
