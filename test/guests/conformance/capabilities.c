// What is left of root when its user IDs change, when it drops capabilities and when it executes another program.
#include "show.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char *program;

static void get(unsigned set[3]) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  if (syscall(SYS_capget, &header, data)) perror("capget");
  set[0] = data[0].effective, set[1] = data[0].permitted, set[2] = data[0].inheritable;
}

static long set(unsigned effective, unsigned permitted, unsigned inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}};
  return syscall(SYS_capset, &header, data);
}

// Of the lowest eight only: which there are above depends on how the program was started.
static void show(const char *when) {
  unsigned sets[3];
  get(sets);
  printf("%s: %02x %02x %02x ambient %d\n", when, sets[0] & 0xff, sets[1] & 0xff, sets[2] & 0xff,
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
}

static void in_child(void (*work)(void)) {
  pid_t child = fork();
  if (!child) {
    work();
      _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("  ended with %d\n", status);
}

static void leave(void) {
  SHOW(setresgid(100, 100, 100));
  SHOW(setresuid(1000, 1000, 1000));
  show("another user");
  int ends[2];
  struct stat status;
  char name[32];
  SHOW(pipe(ends));
  SHOW(fstat(ends[0], &status));
  VALUE(status.st_uid);
  VALUE(status.st_gid);
  sprintf(name, "/proc/self/fd/%d", ends[0]);
  WORKS(open(name, O_RDONLY));
  SHOW(setuid(0));
  SHOW(set(1 << CAP_KILL, 1 << CAP_KILL, 0));
  SHOW(set(0, 0, 0));
}

static void keep(void) {
  unsigned before[3];
  get(before);
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
  SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(setgroups(0, NULL));
  SHOW(setresgid(1000, 1000, 1000));
  SHOW(setresuid(1000, 1000, 1000));
  show("kept");
  SHOW(setgid(5));
  SHOW(set(before[1] & 0xff, before[1] & 0xff, 0));
  show("taken up again");
  SHOW(setgid(5));
  SHOW(setuid(7));
  show("with a third user");
  execl(program, program, "show", NULL);
}

static void come_back(void) {
  SHOW(seteuid(1000));
  show("effective user changed");
  SHOW(access("another's", R_OK));
  SHOW(open("another's", O_RDONLY));
  SHOW(seteuid(0));
  show("effective user back");
  SHOW(setfsuid(1000));
  show("file system user changed");
  SHOW(setfsuid(0));
  show("file system user back");
}

static void drop(void) {
  SHOW(prctl(PR_CAPBSET_READ, CAP_SETGID, 0, 0, 0));
  SHOW(prctl(PR_CAPBSET_READ, 1000, 0, 0, 0));
  SHOW(prctl(PR_CAPBSET_DROP, CAP_SETGID, 0, 0, 0));
  SHOW(prctl(PR_CAPBSET_READ, CAP_SETGID, 0, 0, 0));
  show("bounds dropped");
  SHOW(set(1 << CAP_KILL | 1 << CAP_SETUID, 1 << CAP_KILL | 1 << CAP_SETUID, 0));
  SHOW(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
  SHOW(set(1 << CAP_SETGID, 1 << CAP_SETGID, 0));
  SHOW(set(1 << CAP_KILL, 0, 0));
  show("some left");
  SHOW(setgid(5));
  SHOW(setuid(0));
  execl(program, program, "show", NULL);
}

static void pass_on(void) {
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
  SHOW(set(0xff, 0xff, 1 << CAP_KILL));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1000, 0, 0));
  SHOW(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0));
  show("ambient");
  SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  SHOW(setresuid(1000, 1000, 1000));
  show("not ambient after all");
  SHOW(set(1 << CAP_KILL, 1 << CAP_KILL, 1 << CAP_KILL));
  SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
  execl(program, program, "show", NULL);
}

static void of_others(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, getppid()};
  struct __user_cap_data_struct data[2];
  SHOW(syscall(SYS_capget, &header, data));
  VALUE(data[0].effective & 0xff);
  header.pid = 0x3fffffff;
  SHOW(syscall(SYS_capget, &header, data));
  header.pid = -1;
  SHOW(syscall(SYS_capget, &header, data));
  header.pid = getppid();
  SHOW(syscall(SYS_capset, &header, data));
  header.version = 1;
  SHOW(syscall(SYS_capget, &header, data));
  VALUE(header.version == _LINUX_CAPABILITY_VERSION_3);
}

static void show_adjustment(int file) {
  char text[16] = {0};
  pread(file, text, sizeof text - 1, 0);
  printf("oom_score_adj: %s", text);
}

// Anybody may be readier to end than it was at first, and children are as ready as their parent.
static void adjust(void) {
  int file = open("/proc/self/oom_score_adj", O_RDWR);
  SHOW(setresuid(5, 5, 5));
  SHOW(pwrite(file, "1001", 4, 0));
  SHOW(pwrite(file, "much", 4, 0));
  SHOW(pwrite(file, "300\n", 4, 0));
  SHOW(pwrite(file, "200", 3, 0));
  show_adjustment(file);
  SHOW(pwrite(file, "-5", 2, 0));
  show_adjustment(file);
  if (!fork()) {
    show_adjustment(open("/proc/self/oom_score_adj", O_RDONLY));
    _exit(0);
  }
  wait(NULL);
}

int main(int argc, char **argv) {
  program = realpath(argv[0], NULL);
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1) {
    show("executed");
    SHOW(prctl(PR_GET_KEEPCAPS));
    return 0;
  }
  enter_scratch();
  close(open("another's", O_CREAT | O_WRONLY, 0));
  SHOW(chown("another's", 7, 7));
  show("root");
  in_child(leave);
  in_child(keep);
  in_child(come_back);
  in_child(drop);
  in_child(pass_on);
  in_child(of_others);
  in_child(adjust);
}
