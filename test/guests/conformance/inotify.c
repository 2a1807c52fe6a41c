// Watching files: what is told, to whom, in which order, and when a watch ends.
#include "show.h"
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static const char *const names[] = {
    "ACCESS",     "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN",       "MOVED_FROM", "MOVED_TO", "CREATE",
    "DELETE",     "DELETE_SELF", "MOVE_SELF", NULL,  "UNMOUNT",       "Q_OVERFLOW", "IGNORED",
};

// Prints the events that wait, with cookies by the order in which they first come.
static void drain(int fd) {
  static uint32_t cookies[64];
  static int known;
  char buffer[8192] __attribute__((aligned(8)));
  for (;;) {
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length <= 0) {
      if (errno != EAGAIN) printf("  read: %s\n", strerrorname_np(errno));
      return;
    }
    for (char *at = buffer; at < buffer + length;) {
      struct inotify_event *event = (void *)at;
      printf("  %d", event->wd);
      for (int bit = 0; bit < 16; bit++)
        if (event->mask & 1u << bit) printf(" %s", names[bit] ? names[bit] : "?");
      if (event->mask & IN_ISDIR) printf(" ISDIR");
      if (event->mask & ~(0xffffu | IN_ISDIR)) printf(" and %x", event->mask & ~(0xffffu | IN_ISDIR));
      if (event->cookie) {
        int index = 0;
        while (index < known && cookies[index] != event->cookie) index++;
        if (index == known) cookies[known++] = event->cookie;
        printf(" cookie %d", index);
      }
      if (event->len) printf(" \"%s\" in %u", event->name, event->len);
      printf("\n");
      at += sizeof *event + event->len;
    }
  }
}

#define TELLS(fd, call)                                                                                                \
  do {                                                                                                                 \
    SHOW(call);                                                                                                        \
    drain(fd);                                                                                                         \
  } while (0)

static int instance(void) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) printf("inotify_init1: %s\n", strerrorname_np(errno));
  return fd;
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  if (write(fd, text, strlen(text)) < 0) perror(path);
  close(fd);
}

static void arguments(void) {
  int fd = instance();
  VALUE(fcntl(fd, F_GETFL) == (O_RDONLY | O_NONBLOCK));
  VALUE(fcntl(fd, F_GETFD));
  SHOW(inotify_init1(1));
  mkdir("arguments", 0755);
  put("file", "x");
  symlink("file", "link");
  SHOW(inotify_add_watch(fd, "arguments", 0));
  SHOW(inotify_add_watch(fd, "arguments", 0x1000));
  SHOW(inotify_add_watch(fd, "missing", IN_CREATE));
  SHOW(inotify_add_watch(fd, "", IN_CREATE));
  SHOW(inotify_add_watch(fd, (char *)1, IN_CREATE));
  SHOW(inotify_add_watch(fd, "file", IN_OPEN | IN_ONLYDIR));
  SHOW(inotify_add_watch(fd, "file", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
  SHOW(inotify_add_watch(0, "file", IN_OPEN));
  SHOW(inotify_add_watch(99, "file", IN_OPEN));
  SHOW(inotify_add_watch(fd, "file", IN_OPEN));
  SHOW(inotify_add_watch(fd, "link", IN_OPEN));
  SHOW(inotify_add_watch(fd, "link", IN_OPEN | IN_DONT_FOLLOW));
  SHOW(inotify_add_watch(fd, "file", IN_OPEN | IN_MASK_CREATE));
  SHOW(inotify_rm_watch(fd, 99));
  SHOW(inotify_rm_watch(0, 1));
  SHOW(inotify_rm_watch(99, 1));
  TELLS(fd, inotify_rm_watch(fd, 1));
  SHOW(inotify_rm_watch(fd, 1));
  // Numbers are not used again.
  SHOW(inotify_add_watch(fd, "file", IN_OPEN));
  char small[15];
  SHOW(read(fd, small, sizeof small));
  close(open("file", O_RDONLY));
  SHOW(read(fd, small, sizeof small));
  drain(fd);
  SHOW(write(fd, "x", 1));
  SHOW(lseek(fd, 0, SEEK_SET));
  close(fd);
}

static void entries(void) {
  mkdir("entries", 0755);
  mkdir("elsewhere", 0755);
  int fd = instance();
  SHOW(inotify_add_watch(fd, "entries", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)));
  TELLS(fd, mkdir("entries/directory", 0755));
  TELLS(fd, mknod("entries/fifo", S_IFIFO | 0600, 0));
  TELLS(fd, symlink("nowhere", "entries/link"));
  TELLS(fd, close(open("entries/a", O_CREAT | O_EXCL | O_RDWR, 0644)));
  TELLS(fd, close(open("entries/a", O_CREAT | O_RDWR, 0644)));
  TELLS(fd, open("entries/a", O_CREAT | O_EXCL | O_RDWR, 0644));
  TELLS(fd, close(open("entries", O_TMPFILE | O_RDWR, 0644)));
  TELLS(fd, link("entries/a", "entries/another"));
  TELLS(fd, rename("entries/a", "entries/b"));
  TELLS(fd, rename("entries/b", "elsewhere/c"));
  TELLS(fd, rename("elsewhere/c", "entries/a name of 15 by"));
  TELLS(fd, rename("entries/a name of 15 by", "entries/a name of sixteen"));
  TELLS(fd, rename("entries/directory", "entries/folder"));
  TELLS(fd, syscall(SYS_renameat2, AT_FDCWD, "entries/folder", AT_FDCWD, "entries/link", 2));
  TELLS(fd, rename("entries/another", "entries/fifo"));
  TELLS(fd, unlink("entries/fifo"));
  TELLS(fd, unlink("entries/folder"));
  TELLS(fd, rmdir("entries/link"));
  TELLS(fd, unlink("entries/a name of sixteen"));
  TELLS(fd, unlink("entries/missing"));
  TELLS(fd, rename("entries", "moved"));
  TELLS(fd, chmod("moved", 0700));
  TELLS(fd, rmdir("moved"));
  SHOW(inotify_rm_watch(fd, 1));
  close(fd);
}

static void content(void) {
  mkdir("content", 0755);
  put("content/file", "0123456789");
  int fd = instance();
  // The directory and the file both hear, the directory first.
  SHOW(inotify_add_watch(fd, "content", IN_ALL_EVENTS));
  SHOW(inotify_add_watch(fd, "content/file", IN_ALL_EVENTS));
  char buffer[16];
  int file;
  TELLS(fd, (file = open("content/file", O_RDWR)) > 0);
  TELLS(fd, read(file, buffer, 4));
  TELLS(fd, pread(file, buffer, 4, 100));
  TELLS(fd, read(file, buffer, 0));
  TELLS(fd, write(file, "x", 1));
  TELLS(fd, write(file, "x", 0));
  TELLS(fd, pwrite(file, "x", 1, 0));
  TELLS(fd, ftruncate(file, 5));
  TELLS(fd, truncate("content/file", 3));
  TELLS(fd, fallocate(file, 0, 0, 100));
  TELLS(fd, fchmod(file, 0600));
  TELLS(fd, fchown(file, -1, -1));
  TELLS(fd, fchown(file, getuid(), -1));
  TELLS(fd, futimens(file, NULL));
  TELLS(fd, futimens(file, (struct timespec[]){{1, 0}, {0, UTIME_OMIT}}));
  TELLS(fd, futimens(file, (struct timespec[]){{0, UTIME_OMIT}, {1, 0}}));
  TELLS(fd, futimens(file, (struct timespec[]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}));
  TELLS(fd, fsetxattr(file, "user.x", "y", 1, 0));
  TELLS(fd, fremovexattr(file, "user.x"));
  TELLS(fd, fsync(file));
  void *mapping;
  TELLS(fd, (mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0)) != MAP_FAILED);
  TELLS(fd, munmap(mapping, 4096));
  int copy = dup(file);
  TELLS(fd, close(file));
  TELLS(fd, close(copy));
  TELLS(fd, stat("content/file", &(struct stat){0}));
  TELLS(fd, access("content/file", R_OK));
  TELLS(fd, (file = open("content", O_RDONLY | O_DIRECTORY)) > 0);
  TELLS(fd, syscall(SYS_getdents64, file, (char[4096]){0}, 4096) > 0);
  TELLS(fd, syscall(SYS_getdents64, file, (char[4096]){0}, 4096));
  TELLS(fd, close(file));
  // Repeated events are told once, as long as nothing comes between.
  file = open("content/file", O_WRONLY);
  drain(fd);
  SHOW(inotify_rm_watch(fd, 2));
  for (int round = 0; round < 3; round++) write(file, "x", 1);
  drain(fd);
  SHOW(inotify_add_watch(fd, "content", IN_MODIFY));
  close(file);
  file = open("content/file", O_WRONLY | O_TRUNC);
  drain(fd);
  SHOW(inotify_add_watch(fd, "content", IN_CLOSE_WRITE | IN_MASK_ADD));
  write(file, "x", 1);
  close(file);
  drain(fd);
  close(fd);
}

static void ends(void) {
  int fd = instance();
  put("one", "1");
  link("one", "two");
  SHOW(inotify_add_watch(fd, "one", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CLOSE));
  TELLS(fd, unlink("one"));
  TELLS(fd, rename("two", "three"));
  int file = open("three", O_RDONLY);
  TELLS(fd, unlink("three"));
  TELLS(fd, close(file));
  SHOW(inotify_rm_watch(fd, 1));
  put("four", "4");
  put("five", "5");
  SHOW(inotify_add_watch(fd, "four", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF));
  SHOW(inotify_add_watch(fd, "five", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF));
  TELLS(fd, rename("four", "five"));
  // Its watch went on to the new name.
  TELLS(fd, chmod("five", 0600));
  mkdir("empty", 0755);
  SHOW(inotify_add_watch(fd, "empty", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)));
  TELLS(fd, rmdir("empty"));
  put("once", "1");
  SHOW(inotify_add_watch(fd, "once", IN_ATTRIB | IN_ONESHOT));
  TELLS(fd, chmod("once", 0600));
  TELLS(fd, chmod("once", 0640));
  close(fd);
}

static void removed(void) {
  mkdir("removed", 0755);
  for (int excluded = 0; excluded < 2; excluded++) {
    int fd = instance();
    put("removed/file", "x");
    int file = open("removed/file", O_RDWR);
    SHOW(inotify_add_watch(fd, "removed", IN_ALL_EVENTS | (excluded ? IN_EXCL_UNLINK : 0)));
    TELLS(fd, write(file, "x", 1));
    TELLS(fd, unlink("removed/file"));
    TELLS(fd, write(file, "x", 1));
    TELLS(fd, close(file));
    close(fd);
  }
}

static void waits(void) {
  mkdir("waits", 0755);
  int fd = instance(), epoll = epoll_create1(0), bytes = -1;
  SHOW(inotify_add_watch(fd, "waits", IN_CREATE | IN_DELETE));
  struct pollfd poller = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM};
  SHOW(poll(&poller, 1, 0));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN | EPOLLET}));
  struct epoll_event event;
  SHOW(epoll_wait(epoll, &event, 1, 0));
  SHOW(ioctl(fd, FIONREAD, &bytes));
  VALUE(bytes);
  mkdir("waits/a", 0755);
  mkdir("waits/0123456789abcdef", 0755);
  SHOW(poll(&poller, 1, 0));
  VALUE(poller.revents);
  SHOW(epoll_wait(epoll, &event, 1, 0));
  VALUE(event.events);
  SHOW(epoll_wait(epoll, &event, 1, 0));
  SHOW(ioctl(fd, FIONREAD, &bytes));
  VALUE(bytes);
  char buffer[40];
  // As many whole events as fit.
  SHOW(read(fd, buffer, sizeof buffer));
  SHOW(ioctl(fd, FIONREAD, &bytes));
  VALUE(bytes);
  SHOW(read(fd, buffer, sizeof buffer));
  drain(fd);
  // A reader that waits hears of what another process does.
  SHOW(fcntl(fd, F_SETFL, 0));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    usleep(20000);
    _exit(rmdir("waits/a"));
  }
  SHOW(read(fd, buffer, sizeof buffer));
  VALUE(((struct inotify_event *)buffer)->mask == (IN_DELETE | IN_ISDIR));
  SHOW(waitpid(child, NULL, 0) == child);
  close(epoll);
  close(fd);
}

static void overflow(void) {
  int fd = instance(), limit = 0, count = 0;
  FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
  if (!file || fscanf(file, "%d", &limit) != 1) perror("max_queued_events");
  if (file) fclose(file);
  VALUE(limit);
  put("p", "p");
  put("q", "q");
  inotify_add_watch(fd, "p", IN_ATTRIB);
  inotify_add_watch(fd, "q", IN_ATTRIB);
  for (int round = 0; round < limit / 2 + 10; round++) {
    chmod("p", 0600);
    chmod("q", 0600);
  }
  struct inotify_event event, last = {0};
  while (read(fd, &event, sizeof event) == sizeof event) {
    last = event;
    count++;
  }
  VALUE(count == limit + 1);
  VALUE(last.wd);
  VALUE(last.mask == IN_Q_OVERFLOW);
  TELLS(fd, chmod("p", 0644));
  close(fd);
}

static void many(void) {
  int fds[200], count = 0, limit = 0;
  FILE *file = fopen("/proc/sys/fs/inotify/max_user_instances", "r");
  if (!file || fscanf(file, "%d", &limit) != 1) perror("max_user_instances");
  if (file) fclose(file);
  VALUE(limit > 0);
  while (count < 200 && (fds[count] = inotify_init1(0)) >= 0) count++;
  VALUE(count == (limit < 200 ? limit : 200));
  while (count > 0) close(fds[--count]);
  WORKS(close(inotify_init1(0)));
}

static void information(void) {
  int fd = instance();
  put("file", "x");
  inotify_add_watch(fd, "file", IN_OPEN | IN_MODIFY);
  inotify_add_watch(fd, "/tmp", IN_CREATE | IN_ONESHOT);
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *file = fopen(path, "r");
  struct stat status;
  while (fgets(line, sizeof line, file)) {
    unsigned long inode;
    unsigned watch, mask, ignored;
    if (sscanf(line, "inotify wd:%x ino:%lx sdev:%*x mask:%x ignored_mask:%x ", &watch, &inode, &mask, &ignored) != 4)
      continue;
    stat(watch == 1 ? "file" : "/tmp", &status);
    printf("watch %u of the right inode: %d, mask %x\n", watch, inode == status.st_ino, mask & 0xfff);
  }
  fclose(file);
  ssize_t length = readlink((snprintf(path, sizeof path, "/proc/self/fd/%d", fd), path), line, sizeof line);
  printf("%.*s\n", (int)length, line);
  close(fd);
}

int main(void) {
  enter_scratch();
  arguments();
  entries();
  content();
  ends();
  removed();
  waits();
  overflow();
  many();
  information();
  return 0;
}
