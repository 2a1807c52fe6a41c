// What processes share, and threads do not: descriptors (CLONE_FILES), and where they stand among names (CLONE_FS).
#include "show.h"
#include <linux/close_range.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

// A child that has a copy of the memory, and shares what `flags` say.
static pid_t child_with(unsigned long flags) { return syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0L); }

static void wait_for(pid_t child) {
  int status;
  waitpid(child, &status, 0);
  printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int open_null(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// Whether a descriptor is open, without a change of anything.
#define OPEN(descriptor) printf("%s is %s\n", #descriptor, fcntl(descriptor, F_GETFD) >= 0 ? "open" : "closed")

static void processes(void) {
  int old = open_null();
  pid_t child = child_with(CLONE_FILES);
  if (child == 0) {
    int new = open_null();
    close(old);
    _exit(new - old);
  }
  wait_for(child);
  OPEN(old);
  // What it opened stays open after its end.
  OPEN(old + 1);
  SHOW(close(old + 1));

  // One that parts from its parent.
  old = open_null();
  child = child_with(CLONE_FILES);
  if (child == 0) {
    if (unshare(CLONE_FILES))
      _exit(99);
    close(old);
    _exit(open_null() != old);
  }
  wait_for(child);
  OPEN(old);
  // By closing, only for itself.
  child = child_with(CLONE_FILES);
  if (child == 0) {
    if (close_range(old, ~0U, CLOSE_RANGE_UNSHARE))
      _exit(99);
    _exit(fcntl(old, F_GETFD) != -1);
  }
  wait_for(child);
  OPEN(old);
  child = child_with(CLONE_FILES);
  if (child == 0) {
    if (close_range(old, ~0U, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
      _exit(99);
    _exit(fcntl(old, F_GETFD));
  }
  wait_for(child);
  SHOW(fcntl(old, F_GETFD));
  // Without the flag, for both.
  child = child_with(CLONE_FILES);
  if (child == 0)
    _exit(close_range(old, ~0U, 0));
  wait_for(child);
  OPEN(old);

  // Execution parts them, too: what closes on it does so there only.
  old = open_null();
  child = child_with(CLONE_FILES);
  if (child == 0) {
    char *arguments[] = {"sharing", "executed", NULL}, *environment[] = {NULL};
    execve("/proc/self/exe", arguments, environment);
    _exit(99);
  }
  wait_for(child);
  OPEN(old);
  // A child of one that shares shares what that does, if it is asked to, and otherwise nothing.
  child = child_with(CLONE_FILES);
  if (child == 0) {
    pid_t grandchild = child_with(CLONE_FILES);
    if (grandchild == 0) {
      open_null();
      _exit(0);
    }
    waitpid(grandchild, NULL, 0);
    grandchild = fork();
    if (grandchild == 0) {
      close(old);
      _exit(0);
    }
    waitpid(grandchild, NULL, 0);
    _exit(fcntl(old + 1, F_GETFD) == -1);
  }
  wait_for(child);
  OPEN(old);
  OPEN(old + 1);
  close(old + 1);
  // A pipe ends with the last that has it.
  int ends[2];
  pipe(ends);
  child = child_with(CLONE_FILES);
  if (child == 0)
    _exit(0);
  wait_for(child);
  SHOW(write(ends[1], "x", 1));
  char byte;
  SHOW(read(ends[0], &byte, 1));
  close(ends[1]);
  SHOW(read(ends[0], &byte, 1));
  close(ends[0]);

  // The working directory and the umask.
  mkdir("below", 0755);
  child = child_with(CLONE_FS);
  if (child == 0) {
    umask(077);
    _exit(chdir("below"));
  }
  wait_for(child);
  SHOW(umask(022));
  SHOW(chdir("../below"));
  child = child_with(CLONE_FS);
  if (child == 0) {
    if (unshare(CLONE_FS))
      _exit(99);
    umask(077);
    _exit(chdir(".."));
  }
  wait_for(child);
  SHOW(umask(022));
  SHOW(chdir("../below"));
  SHOW(chdir(".."));
  SHOW(close(old));

  SHOW(unshare(0));
  SHOW(unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
  SHOW(unshare(CLONE_VFORK));
  SHOW(unshare(CLONE_SETTLS));
}

static int file, other, result;

static void *part(void *unused) {
  (void)unused;
  SHOW(unshare(CLONE_VM));
  SHOW(unshare(CLONE_SIGHAND));
  SHOW(unshare(CLONE_THREAD));
  SHOW(unshare(CLONE_FILES | CLONE_FS));
  close(file);
  other = open_null();
  VALUE(other == file);
  close(other);
  open_null();
  open_null();
  SHOW(chdir("below"));
  umask(077);
  // A second time, and by its child.
  SHOW(unshare(CLONE_FILES | CLONE_FS));
  pid_t child = fork();
  if (child == 0) {
    int last = open("made", O_CREAT | O_RDWR, 0666);
    struct stat status;
    fstat(last, &status);
    _exit(last - file + (status.st_mode == (S_IFREG | 0600)) * 10);
  }
  wait_for(child);
  return NULL;
}

static void *close_others(void *unused) {
  (void)unused;
  SHOW(close_range(file, ~0U, CLOSE_RANGE_UNSHARE));
  OPEN(file);
  return NULL;
}

static int parted(void *unused) {
  (void)unused;
  close(file);
  result = open("/dev/null", O_RDONLY) == file && open("/dev/null", O_RDONLY) == file + 1;
  chdir("below");
  return 0;
}

static void threads(void) {
  pthread_t thread;
  file = open_null();
  pthread_create(&thread, NULL, part, NULL);
  pthread_join(thread, NULL);
  OPEN(file);
  OPEN(file + 1);
  SHOW(umask(022));
  SHOW(access("made", F_OK));
  SHOW(access("below/made", F_OK));
  pthread_create(&thread, NULL, close_others, NULL);
  pthread_join(thread, NULL);
  OPEN(file);

  // A thread that never shared them.
  static char stack[65536] __attribute__((aligned(16)));
  static int lives = 1;
  int flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID;
  if (WORKS(clone(parted, stack + sizeof stack, flags, NULL, NULL, NULL, &lives)) < 0)
    return;
  while (__atomic_load_n(&lives, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, &lives, FUTEX_WAIT, 1, NULL, NULL, 0);
  VALUE(result);
  OPEN(file);
  OPEN(file + 1);
  SHOW(access("below/made", F_OK));
  SHOW(unlink("below/made"));
  close(file);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  end_after(30);
  if (count > 1) {
    printf("%s\n", arguments[1]);
    return 0;
  }
  enter_scratch();
  processes();
  threads();
  return 0;
}
