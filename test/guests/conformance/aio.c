// Linux's own asynchronous input and output, as libaio calls it.
#include "show.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#define io_setup(count, context) syscall(SYS_io_setup, count, context)
#define io_destroy(context) syscall(SYS_io_destroy, context)
#define io_submit(context, count, requests) syscall(SYS_io_submit, context, (long)(count), requests)
#define io_getevents(context, least, most, events, timeout)                                                            \
  syscall(SYS_io_getevents, context, (long)(least), (long)(most), events, timeout)

static struct iocb request(int operation, int fd, void *buffer, size_t length, off_t offset, uint64_t data) {
  return (struct iocb){.aio_lio_opcode = operation,
                       .aio_fildes = fd,
                       .aio_buf = (uintptr_t)buffer,
                       .aio_nbytes = length,
                       .aio_offset = offset,
                       .aio_data = data};
}

static long submit(aio_context_t context, struct iocb *one) {
  struct iocb *list[] = {one};
  return io_submit(context, 1, list);
}

static void events_within(aio_context_t context, long least, long most, int seconds) {
  struct io_event found[8];
  struct timespec soon = {seconds, 10000000};
  errno = 0;
  long count = io_getevents(context, least, most, found, &soon);
  printf("events %ld to %ld: %ld %s\n", least, most, count, count < 0 ? strerrorname_np(errno) : "");
  for (long i = 0; i < count; i++)
    printf("  data %lld: %lld, %lld\n", found[i].data, found[i].res, found[i].res2);
}

static void events(aio_context_t context, long least, long most) { events_within(context, least, most, 10); }

struct wait {
  aio_context_t context;
  long least;
};

static void *wait_for_ever(void *argument) {
  struct wait *wait = argument;
  struct io_event found[8];
  errno = 0;
  long count = io_getevents(wait->context, wait->least, 8, found, NULL);
  printf("events when there will be no more: %ld %s\n", count, count < 0 ? strerrorname_np(errno) : "");
  return NULL;
}

// The context goes while a thread waits for more than there is.
static void destroy_under(struct wait wait) {
  pthread_t waiter;
  pthread_create(&waiter, NULL, wait_for_ever, &wait);
  usleep(100000);
  long destroyed = io_destroy(wait.context);
  pthread_join(waiter, NULL);
  VALUE(destroyed);
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  aio_context_t context = 0, other = 1;
  SHOW(io_setup(0, &context));
  SHOW(io_setup(8, &other));
  SHOW(io_setup(8, NULL));
  SHOW(io_setup(1 << 30, &context));
  SHOW(io_setup(8, &context));
  VALUE(context != 0);

  int fd = WORKS(open("file", O_RDWR | O_CREAT, 0600));
  char text[] = "Hello, asynchronous world", back[64] = {0};
  struct iocb write_it = request(IOCB_CMD_PWRITE, fd, text, sizeof text, 100, 1);
  SHOW(submit(context, &write_it));
  events(context, 1, 8);
  struct iocb read_it = request(IOCB_CMD_PREAD, fd, back, sizeof back, 107, 2);
  SHOW(submit(context, &read_it));
  events(context, 1, 8);
  puts(back);
  struct iovec parts[] = {{back, 5}, {back + 32, 6}};
  struct iocb scattered = request(IOCB_CMD_PREADV, fd, parts, 2, 100, 3);
  SHOW(submit(context, &scattered));
  events(context, 1, 8);
  printf("%.5s|%.6s\n", back, back + 32);
  struct iocb gathered = request(IOCB_CMD_PWRITEV, fd, parts, 2, 0, 4);
  SHOW(submit(context, &gathered));
  struct iocb sync = request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0, 5);
  SHOW(submit(context, &sync));
  events(context, 2, 8);
  events(context, 0, 8);
  events_within(context, 1, 8, 0);
  events(context, 2, 1);
  events(context, -1, 1);

  struct iocb bad = request(99, fd, back, 1, 0, 0);
  SHOW(submit(context, &bad));
  bad = request(IOCB_CMD_PREAD, 1000, back, 1, 0, 0);
  SHOW(submit(context, &bad));
  bad = request(IOCB_CMD_PREAD, fd, back, -1, 0, 0);
  SHOW(submit(context, &bad));
  bad = request(IOCB_CMD_PREAD, fd, back, 1, 0, 0);
  bad.aio_reserved2 = 1;
  SHOW(submit(context, &bad));
  int only_read = WORKS(open("file", O_RDONLY));
  bad = request(IOCB_CMD_PWRITE, only_read, text, 1, 0, 0);
  SHOW(submit(context, &bad));
  bad = request(IOCB_CMD_PREAD, fd, back, 1, 0, 0);
  struct iocb *list[] = {&read_it, &bad, NULL};
  SHOW(io_submit(context, 3, list));
  events(context, 2, 8);
  SHOW(io_submit(context, 1, NULL));
  SHOW(io_submit(context, -1, list));
  SHOW(io_submit(context, 0, list));
  SHOW(io_submit((aio_context_t)8, 1, list));

  // An event that an eventfd counts.
  int counter = WORKS(eventfd(0, EFD_NONBLOCK));
  read_it.aio_flags = IOCB_FLAG_RESFD;
  read_it.aio_resfd = counter;
  SHOW(submit(context, &read_it));
  events(context, 1, 8);
  uint64_t count = 0;
  SHOW(read(counter, &count, sizeof count));
  VALUE(count);
  read_it.aio_resfd = fd;
  SHOW(submit(context, &read_it));
  read_it.aio_flags = 0;

  SHOW(syscall(SYS_io_cancel, context, &read_it, NULL));
  SHOW(io_destroy(context));
  SHOW(io_destroy(context));
  SHOW(submit(context, &read_it));

  context = 0;
  WORKS(io_setup(8, &context));
  destroy_under((struct wait){context, 1});
  context = 0;
  WORKS(io_setup(8, &context));
  WORKS(submit(context, &read_it));
  destroy_under((struct wait){context, 2});
}
