// Pipes and FIFOs: capacity, atomic writes, ends that go, splice, tee.
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static volatile sig_atomic_t broken;
static void on_pipe(int signal) { broken = signal; }

static long fill(int descriptor, size_t size) {
  static char bytes[100000];
  long total = 0, count;
  while ((count = write(descriptor, bytes, size)) > 0) total += count;
  return total;
}

static void *open_writer(void *path) {
  usleep(50000);
  int writer = open(path, O_WRONLY);
  if (write(writer, "late", 4) != 4) return NULL;
  close(writer);
  return NULL;
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  int ends[2];
  char buffer[8192];
  SHOW(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  VALUE(fcntl(ends[0], F_GETFL) == O_NONBLOCK);
  VALUE(fcntl(ends[1], F_GETFL) == (O_NONBLOCK | O_WRONLY));
  SHOW(pipe2(ends, 0x40000000));
  SHOW(read(ends[0], buffer, 1));
  SHOW(read(ends[1], buffer, 1));
  SHOW(write(ends[0], buffer, 1));
  SHOW(lseek(ends[0], 0, SEEK_CUR));
  SHOW(pread(ends[0], buffer, 1, 0));
  SHOW(write(ends[1], "hello", 5));
  int available;
  SHOW(ioctl(ends[0], FIONREAD, &available));
  VALUE(available);
  SHOW(read(ends[0], buffer, 3));
  SHOW(read(ends[0], buffer, sizeof buffer));
  SHOW(write(ends[1], buffer, 0));
  SHOW(read(ends[0], buffer, 0));

  static const size_t sizes[] = {1, 100, 1000, 4096, 4097, 5000, 65536, 100000};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    printf("filled by %zu: %ld\n", sizes[index], fill(ends[1], sizes[index]));
    struct pollfd poll_writer = {ends[1], POLLOUT, 0};
    SHOW(poll(&poll_writer, 1, 0));
    while (read(ends[0], buffer, sizeof buffer) > 0) {}
  }
  SHOW(fcntl(ends[1], F_GETPIPE_SZ));
  SHOW(fcntl(ends[1], F_SETPIPE_SZ, 5000));
  VALUE(fill(ends[1], 4096));
  SHOW(fcntl(ends[1], F_SETPIPE_SZ, 4096));
  SHOW(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20));
  SHOW(fcntl(STDIN_FILENO + 100, F_GETPIPE_SZ));
  while (read(ends[0], buffer, sizeof buffer) > 0) {}

  struct iovec parts[3] = {{"one ", 4}, {"two ", 4}, {"three", 5}};
  SHOW(writev(ends[1], parts, 3));
  SHOW(read(ends[0], buffer, 6));
  struct iovec into[2] = {{buffer, 3}, {buffer + 10, 20}};
  SHOW(readv(ends[0], into, 2));
  printf("%.3s|%.4s\n", buffer, buffer + 10);
  SHOW(writev(ends[1], parts, -1));
  SHOW(writev(ends[1], parts, 1025));

  signal(SIGPIPE, on_pipe);
  struct pollfd both[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
  SHOW(poll(both, 2, 0));
  printf("%x %x\n", both[0].revents, both[1].revents);
  SHOW(close(ends[0]));
  SHOW(poll(both + 1, 1, 0));
  printf("%x\n", both[1].revents);
  SHOW(write(ends[1], "x", 1));
  VALUE(broken == SIGPIPE);
  SHOW(close(ends[1]));
  SHOW(pipe2(ends, O_NONBLOCK));
  SHOW(write(ends[1], "rest", 4));
  SHOW(close(ends[1]));
  both[0].fd = ends[0];
  SHOW(poll(both, 1, 0));
  printf("%x\n", both[0].revents);
  SHOW(read(ends[0], buffer, 10));
  SHOW(read(ends[0], buffer, 10));
  SHOW(poll(both, 1, 0));
  printf("%x\n", both[0].revents);
  SHOW(close(ends[0]));

  SHOW(pipe2(ends, O_DIRECT | O_NONBLOCK));
  SHOW(write(ends[1], "first", 5));
  SHOW(write(ends[1], "second", 6));
  SHOW(read(ends[0], buffer, 3));
  SHOW(read(ends[0], buffer, 100));
  close(ends[0]);
  close(ends[1]);

  int second[2];
  SHOW(pipe2(ends, O_NONBLOCK));
  SHOW(pipe2(second, O_NONBLOCK));
  SHOW(write(ends[1], "hello world", 11));
  SHOW(tee(ends[0], second[1], 5, 0));
  SHOW(splice(ends[0], NULL, second[1], NULL, 6, 0));
  SHOW(splice(ends[0], NULL, ends[1], NULL, 6, 0));
  SHOW(tee(ends[0], ends[1], 6, 0));
  SHOW(read(second[0], buffer, 100));
  printf("%.11s\n", buffer);
  int file = open("file", O_RDWR | O_CREAT, 0644);
  loff_t offset = 3;
  SHOW(splice(ends[0], NULL, file, &offset, 100, 0));
  VALUE(offset);
  SHOW(splice(ends[0], NULL, file, NULL, 100, SPLICE_F_NONBLOCK));
  offset = 3;
  SHOW(splice(file, &offset, ends[1], NULL, 100, 0));
  VALUE(offset);
  SHOW(splice(file, &offset, ends[1], NULL, 100, 0));
  SHOW(splice(file, NULL, file, NULL, 100, 0));
  SHOW(splice(ends[0], &offset, file, NULL, 100, 0));
  SHOW(read(ends[0], buffer, 100));
  SHOW(vmsplice(ends[1], parts, 3, 0));
  SHOW(read(ends[0], buffer, 100));

  SHOW(mkfifo("fifo", 0644));
  SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
  int reader = open("fifo", O_RDONLY | O_NONBLOCK);
  struct pollfd poll_reader = {reader, POLLIN, 0};
  SHOW(poll(&poll_reader, 1, 0));
  SHOW(read(reader, buffer, 1));
  int writer = open("fifo", O_WRONLY | O_NONBLOCK);
  SHOW(write(writer, "abc", 3));
  SHOW(close(writer));
  SHOW(poll(&poll_reader, 1, 0));
  printf("%x\n", poll_reader.revents);
  SHOW(read(reader, buffer, 10));
  SHOW(read(reader, buffer, 10));
  struct stat status;
  SHOW(fstat(reader, &status));
  printf("%o\n", status.st_mode);
  SHOW(close(reader));
  pthread_t thread;
  pthread_create(&thread, NULL, open_writer, "fifo");
  reader = open("fifo", O_RDONLY);
  SHOW(read(reader, buffer, 10));
  SHOW(read(reader, buffer, 10));
  pthread_join(thread, NULL);
  // The end of a writer that was there before.
  close(reader);
  reader = open("fifo", O_RDONLY | O_NONBLOCK);
  writer = open("fifo", O_WRONLY | O_NONBLOCK);
  int late = open("fifo", O_RDONLY | O_NONBLOCK);
  close(writer);
  struct pollfd readers[2] = {{.fd = reader, .events = POLLIN}, {.fd = late, .events = POLLIN}};
  SHOW(poll(readers, 2, 0));
  VALUE(readers[0].revents == POLLHUP);
  VALUE(readers[1].revents == POLLHUP);
  close(late);
  int duplex = open("fifo", O_RDWR);
  SHOW(write(duplex, "self", 4));
  SHOW(read(duplex, buffer, 10));
  return 0;
}
