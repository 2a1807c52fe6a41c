// What limits a process, and what is kept of its accesses: RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_STACK, access times.
#include "show.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>

static volatile sig_atomic_t signals;

static void count(int signal, siginfo_t *info, void *context) {
  (void)context;
  signals += signal == SIGXFSZ && info->si_code == SI_USER && info->si_pid == getpid();
}

static void told(void) {
  printf("  SIGXFSZ %d\n", (int)signals);
  signals = 0;
}

static long limit(int resource, rlim_t soft, rlim_t hard) { return setrlimit(resource, &(struct rlimit){soft, hard}); }

static void file_size(void) {
  struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
  sigaction(SIGXFSZ, &action, NULL);
  int file = open("sized", O_RDWR | O_CREAT | O_TRUNC, 0600), source = open("source", O_RDWR | O_CREAT, 0600), pipes[2];
  char bytes[64] = {0};
  SHOW(limit(RLIMIT_FSIZE, 100, RLIM_INFINITY));
  // A write goes as far as it may; one that may not begin is refused.
  SHOW(pwrite(file, bytes, 50, 0));
  SHOW(pwrite(file, bytes, 60, 50)), told();
  SHOW(pwrite(file, bytes, 60, 50)), told();
  SHOW(pwrite(file, bytes, 1, 100)), told();
  SHOW(pwrite(file, bytes, 0, 100)), told();
  SHOW(pwrite(file, bytes, 1, 5000)), told();
  SHOW(lseek(file, 95, SEEK_SET));
  SHOW(write(file, bytes, 10));
  SHOW(write(file, bytes, 10)), told();
  SHOW(lseek(file, 0, SEEK_CUR));
  SHOW(lseek(file, 90, SEEK_SET));
  struct iovec vectors[2] = {{bytes, 6}, {bytes, 6}};
  SHOW(writev(file, vectors, 2));
  SHOW(pwritev2(file, vectors, 2, 0, RWF_APPEND)), told();
  SHOW(ftruncate(file, 101)), told();
  SHOW(truncate("sized", 101)), told();
  SHOW(ftruncate(file, 100)), told();
  SHOW(fallocate(file, 0, 0, 200)), told();
  SHOW(fallocate(file, 0, 0, 100)), told();
  SHOW(ftruncate(source, 50));
  SHOW(copy_file_range(source, &(off_t){0}, file, &(off_t){80}, 50, 0));
  SHOW(copy_file_range(source, &(off_t){0}, file, &(off_t){100}, 50, 0)), told();
  SHOW(fcntl(file, F_SETFL, O_APPEND));
  SHOW(write(file, bytes, 1)), told();
  // It is for files only.
  pipe(pipes);
  SHOW(limit(RLIMIT_FSIZE, 0, RLIM_INFINITY));
  SHOW(write(pipes[1], bytes, 10)), told();
  int null = open("/dev/null", O_WRONLY);
  SHOW(write(null, bytes, 10)), told();
  // What is already larger may be written within the limit, and may shrink.
  SHOW(limit(RLIMIT_FSIZE, 10, RLIM_INFINITY));
  SHOW(fcntl(file, F_SETFL, 0));
  SHOW(pwrite(file, bytes, 20, 0)), told();
  SHOW(ftruncate(file, 90)), told();
  // Without a handler it ends the process.
  fflush(stdout);
  int status;
  if (fork() == 0) {
    signal(SIGXFSZ, SIG_DFL);
    pwrite(file, bytes, 1, 10);
    _exit(0);
  }
  wait(&status);
  VALUE(WTERMSIG(status) == SIGXFSZ);
  signal(SIGXFSZ, SIG_IGN);
  SHOW(pwrite(file, bytes, 1, 10));
  SHOW(limit(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY));
  SHOW(pwrite(file, bytes, 1, 200));
}

static void descriptors(void) {
  struct rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  SHOW(limit(RLIMIT_NOFILE, 20, before.rlim_max));
  SHOW(dup2(0, 20));
  SHOW(dup2(0, 19));
  SHOW(fcntl(0, F_DUPFD, 20));
  int last = 0, next;
  while ((next = dup(0)) >= 0) last = next;
  SHOW(last);
  SHOW(dup(0));
  SHOW(open("sized", O_RDONLY));
  SHOW(open("not made", O_CREAT | O_WRONLY, 0600));
  SHOW(access("not made", F_OK));
  SHOW(socketpair(1, 1, 0, (int[2]){0}));
  SHOW(sysconf(_SC_OPEN_MAX));
  SHOW(limit(RLIMIT_NOFILE, 30, 20));
  SHOW(setrlimit(RLIMIT_NOFILE, &before));
  SHOW(limit(RLIMIT_NOFILE, 1024, 1l << 40));
  for (int fd = 3; fd < 20; fd++) close(fd);
}

// Whether a call sets the access time of a file that has an old one.
static int sets_access(const char *path, time_t access, time_t change, void (*act)(const char *)) {
  utimensat(AT_FDCWD, path, (struct timespec[]){{access, 0}, {change, 0}}, AT_SYMLINK_NOFOLLOW);
  struct stat before, after;
  lstat(path, &before);
  act(path);
  lstat(path, &after);
  if (after.st_mtime != before.st_mtime || after.st_ctime != before.st_ctime) printf("another time changed\n");
  return after.st_atime != before.st_atime;
}

static char buffer[8192];

static void with(const char *path, int flags, void (*act)(int)) {
  int file = open(path, O_RDONLY | flags);
  act(file);
  close(file);
}

static void read_some(int file) { read(file, buffer, 4); }
static void read_nothing(int file) { read(file, buffer, 0); }
static void read_end(int file) { pread(file, buffer, 10, 1000); }
static void map(int file) { munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0), 4096); }
static void send_it(int file) {
  int target = open("target", O_WRONLY | O_CREAT, 0600);
  sendfile(target, file, NULL, 10);
  close(target);
}
static void list(int file) { syscall(SYS_getdents64, file, buffer, sizeof buffer); }
static void nothing(int file) { (void)file; }

static void reads(const char *path) { with(path, 0, read_some); }
static void reads_quietly(const char *path) { with(path, O_NOATIME, read_some); }
static void reads_nothing(const char *path) { with(path, 0, read_nothing); }
static void reads_end(const char *path) { with(path, 0, read_end); }
static void maps(const char *path) { with(path, 0, map); }
static void sends(const char *path) { with(path, 0, send_it); }
static void lists(const char *path) { with(path, O_DIRECTORY, list); }
static void opens(const char *path) { with(path, 0, nothing); }
static void looks(const char *path) { stat(path, &(struct stat){0}); }
static void reads_link(const char *path) { readlink(path, buffer, sizeof buffer); }

static void access_times(void) {
  int file = open("read", O_WRONLY | O_CREAT, 0600);
  write(file, "0123456789", 10);
  close(file);
  mkdir("listed", 0700);
  symlink("read", "followed");
  time_t now = time(NULL), old = now - 1000, ancient = now - 3 * 86400;
  VALUE(sets_access("read", old, old + 1, reads));
  VALUE(sets_access("read", old, old, reads));
  VALUE(sets_access("read", ancient, ancient - 1, reads));
  VALUE(sets_access("read", old, old + 1, reads_quietly));
  VALUE(sets_access("read", old, old + 1, reads_nothing));
  VALUE(sets_access("read", old, old + 1, reads_end));
  VALUE(sets_access("read", old, old + 1, maps));
  VALUE(sets_access("read", old, old + 1, sends));
  VALUE(sets_access("read", old, old + 1, opens));
  VALUE(sets_access("read", old, old + 1, looks));
  VALUE(sets_access("listed", old, old + 1, lists));
  VALUE(sets_access("listed", old, old + 1, opens));
  VALUE(sets_access("followed", old, old + 1, reads_link));
  VALUE(sets_access("followed", old, old + 1, looks));
  // Later than the last change, it stays for a day.
  VALUE(sets_access("read", now + 1000, old, reads));
  struct statfs status;
  statfs(".", &status);
  VALUE(status.f_flags & (0x400 | 0x1000));
}

// Uses so many kibibytes of stack.
__attribute__((noinline)) static int deep(int kibibytes) {
  volatile char frame[1000];
  frame[kibibytes % 1000] = 1;
  return kibibytes > 1 ? deep(kibibytes - 1) + frame[kibibytes % 1000] : 1;
}

static void goes_down(const char *when, int mebibytes) {
  fflush(stdout);
  int status;
  if (fork() == 0) _exit(deep(mebibytes << 10) == 0);
  wait(&status);
  printf("%d MiB %s: %s\n", mebibytes, when, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "enough");
}

// The stack grows to the limit as it is when it grows.
static void stack(void) {
  struct rlimit before;
  getrlimit(RLIMIT_STACK, &before);
  SHOW(limit(RLIMIT_STACK, 8 << 20, before.rlim_max));
  goes_down("of 8", 7);
  goes_down("of 8", 12);
  SHOW(limit(RLIMIT_STACK, 24 << 20, before.rlim_max));
  goes_down("of 24", 16);
  goes_down("of 24", 30);
  SHOW(limit(RLIMIT_STACK, 2 << 20, before.rlim_max));
  goes_down("of 2", 4);
  SHOW(limit(RLIMIT_STACK, 2l << 40, before.rlim_max));
  fflush(stdout);
  if (fork() == 0) {
    execl("/proc/self/exe", "program", "room", NULL);
    _exit(1);
  }
  wait(NULL);
  setrlimit(RLIMIT_STACK, &before);
}

// Mappings leave the stack the room that it may have.
static int room(void) {
  char *place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VALUE((char *)&place - place >= 2l << 40);
  return 0;
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) return room();
  enter_scratch();
  file_size();
  descriptors();
  access_times();
  stack();
  return 0;
}
