// What a program is called that is executed, and what /proc/PID/exe says of it.
#include "show.h"
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char *program;

// The last part of a path.
static const char *end_of(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static int tell(void) {
  char name[32] = {0};
  prctl(PR_GET_NAME, name);
  printf("  comm %s, AT_EXECFN %s\n", name, (char *)getauxval(AT_EXECFN));
  return 0;
}

static void run(const char *path, char *const arguments[]) {
  printf("%s:\n", path);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execve(path, arguments, (char *[]){NULL});
    printf("  %s\n", strerrorname_np(errno));
    fflush(stdout);
    _exit(1);
  }
  waitpid(child, NULL, 0);
}

static void run_at(int folder, const char *path, char *const arguments[]) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    syscall(SYS_execveat, folder, path, arguments, (char *[]){NULL}, *path ? 0 : AT_EMPTY_PATH);
    printf("  %s\n", strerrorname_np(errno));
    fflush(stdout);
    _exit(1);
  }
  waitpid(child, NULL, 0);
}

static void script(const char *path) {
  int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0700);
  dprintf(file, "#!%s script\n", program);
  close(file);
}

static void copy(const char *path) {
  int from = open(program, O_RDONLY), to = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
  char bytes[65536];
  ssize_t length;
  while ((length = read(from, bytes, sizeof bytes)) > 0) write(to, bytes, length);
  close(from);
  close(to);
}

static void names(void) {
  mkdir("folder", 0755);
  SHOW(symlink(program, "a link"));
  SHOW(symlink("../a link", "folder/sixteen letters and more"));
  run("a link", (char *[]){"other", "tell", NULL});
  run("./a link", (char *[]){"other", "tell", NULL});
  run("folder/sixteen letters and more", (char *[]){"other", "tell", NULL});
  script("a script");
  SHOW(symlink("a script", "linked script"));
  run("./a script", (char *[]){"other", "tell", NULL});
  run("linked script", (char *[]){"other", "tell", NULL});
  int folder = open("folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int open_folder = dup2(open(".", O_RDONLY | O_DIRECTORY), 20);
  run_at(open_folder, "a link", (char *[]){"other", "tell", NULL});
  run_at(folder, "sixteen letters and more", (char *[]){"other", "tell", NULL});
  run_at(AT_FDCWD, "a link", (char *[]){"other", "tell", NULL});
  run_at(open_folder, "a script", (char *[]){"other", NULL});
  script("folder/script");
  // Its interpreter would look for it by way of the closed descriptor.
  run_at(folder, "script", (char *[]){"other", NULL});
}

static void show_exe(pid_t pid) {
  char path[64], target[512] = {0};
  struct stat status;
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  SHOW(readlink(path, target, sizeof target - 1) > 0);
  printf("  exe is %s\n", end_of(target));
  int file = open(path, O_RDONLY);
  char magic[4] = {0};
  printf("  it opens: %d, is a program: %d\n", file >= 0, read(file, magic, 4) == 4 && !memcmp(magic, "\177ELF", 4));
  SHOW(stat(path, &status));
  close(file);
}

// The file of a program that runs: moved, removed, replaced, and where the process sees another root.
static void unfollowed(void) {
  char *arguments[] = {"program", "count", NULL}, *none[] = {NULL};
  SHOW(syscall(SYS_execveat, AT_FDCWD, "program", arguments, none, AT_SYMLINK_NOFOLLOW));
  SHOW(syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", arguments, none, AT_SYMLINK_NOFOLLOW));
  SHOW(syscall(SYS_execveat, AT_FDCWD, "missing", arguments, none, AT_SYMLINK_NOFOLLOW));
  pid_t child = fork();
  if (child == 0) _exit(syscall(SYS_execveat, AT_FDCWD, program, arguments, none, AT_SYMLINK_NOFOLLOW));
  waitpid(child, NULL, 0);
}

static void files(void) {
  int ends[2], back[2];
  char byte;
  copy("copied");
  pipe(ends), pipe(back);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[0], 0), dup2(back[1], 1);
    close(ends[1]);
    execl("./copied", "copied", "wait", NULL);
    _exit(1);
  }
  close(ends[0]);
  read(back[0], &byte, 1);
  show_exe(child);
  SHOW(rename("copied", "moved"));
  show_exe(child);
  SHOW(unlink("moved"));
  show_exe(child);
  copy("copied");
  show_exe(child);
  close(ends[1]);
  waitpid(child, NULL, 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  struct stat before, after;
  stat(path, &before);
  int file = open("/proc/self/exe", O_PATH);
  mkdir("root", 0755);
  child = fork();
  if (child == 0) {
    // Only root may.
    if (geteuid() == 0 && chroot("root")) _exit(1);
    write(back[1], &byte, 1);
    pause();
  }
  read(back[0], &byte, 1);
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  SHOW(stat(path, &after));
  VALUE(before.st_ino == after.st_ino);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  close(file);
}

static int count(int number) {
  printf("  %d arguments\n", number);
  return 0;
}

// What arguments may take depends on the stack's limit.
static void lengths(void) {
  static char *many[200];
  static char text[50000];
  memset(text, 'x', sizeof text - 1);
  struct rlimit before;
  getrlimit(RLIMIT_STACK, &before);
  const struct {
    rlim_t limit;
    int arguments;
  } cases[] = {{8 << 20, 41}, {8 << 20, 43}, {1 << 20, 5}, {1 << 20, 6}, {64 << 20, 125}, {64 << 20, 127}};
  for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
    many[0] = "program", many[1] = "count";
    for (int number = 0; number < cases[index].arguments; number++) many[2 + number] = text;
    many[2 + cases[index].arguments] = NULL;
    if (setrlimit(RLIMIT_STACK, &(struct rlimit){cases[index].limit, before.rlim_max})) perror("setrlimit");
    printf("%ld bytes of stack: ", (long)cases[index].limit);
    run("program", many);
  }
  setrlimit(RLIMIT_STACK, &before);
}

int main(int argc, char **argv) {
  program = realpath("/proc/self/exe", NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1 && !strcmp(argv[1], "count")) return count(argc);
  if (argc > 1 && !strcmp(argv[1], "wait")) {
    write(1, "x", 1);
    read(0, &(char){0}, 1);
    return 0;
  }
  if (argc > 1) return tell();
  enter_scratch();
  SHOW(symlink(program, "program"));
  names();
  unfollowed();
  files();
  lengths();
}
