// A file is written, or a program runs from it: never both (ETXTBSY).
#include "show.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

static const char *file = "program-copy";

static void say(const char *what, long result) { printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done"); }

// Copies this program; returns the descriptor that has written it.
static int copy(const char *to) {
  int own = open("/proc/self/exe", O_RDONLY), copy = open(to, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0755);
  struct stat status;
  fstat(own, &status);
  while (sendfile(copy, own, NULL, (size_t)status.st_size) > 0) {}
  close(own);
  return copy;
}

// Runs a program that says "runs", or waits for its input to end.
static pid_t run(const char *path, char *const what, int input) {
  fflush(stdout);
  pid_t child = fork();
  if (child) return child;
  if (input >= 0) dup2(input, 0);
  execl(path, path, what, NULL);
  say("execve", -1);
  _exit(0);
}

// Until it runs the file, and no longer its parent's.
static void wait_until_runs(pid_t child) {
  char path[64], program[256] = "";
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  while (!strstr(program, file)) {
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length < 0 ? 0 : length] = 0;
    usleep(1000);
  }
}

static void wait_for(pid_t child) { waitpid(child, NULL, 0); }

static void try(const char *what, const char *path, int flags) {
  int opened = open(path, flags, 0755);
  say(what, opened);
  if (opened >= 0) close(opened);
}

static void try_all(const char *path) {
  try("  to read", path, O_RDONLY);
  try("  to write", path, O_WRONLY);
  try("  to read and write", path, O_RDWR);
  try("  to create", path, O_WRONLY | O_CREAT);
  try("  to read and truncate", path, O_RDONLY | O_TRUNC);
  say("  truncate", truncate(path, 1));
  say("  chmod", chmod(path, 0755));
  say("  write access", access(path, W_OK));
  say("  a second name", link(path, "second"));
  try("  to write by the second name", "second", O_WRONLY);
  unlink("second");
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1) {
    char byte;
    if (!strcmp(argv[1], "wait")) return read(0, &byte, 1) != 0;
    puts("runs");
    return 0;
  }
  enter_scratch();

  puts("open to write:");
  int writer = copy(file);
  wait_for(run(file, "say", -1));
  puts("open to read:");
  int reader = open(file, O_RDONLY | O_CLOEXEC);
  close(writer);
  wait_for(run(file, "say", -1));
  close(reader);
  puts("a script that is written, and one by a program that is:");
  int script = open("script", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
  dprintf(script, "#!./%s say\n", file);
  wait_for(run("./script", NULL, -1));
  close(script);
  wait_for(run("./script", NULL, -1));
  writer = open(file, O_WRONLY | O_CLOEXEC);
  wait_for(run("./script", NULL, -1));
  close(writer);
  puts("a file in memory that is open to write:");
  int memory = memfd_create("program", MFD_CLOEXEC), own = open(file, O_RDONLY);
  while (sendfile(memory, own, NULL, 1 << 20) > 0) {}
  close(own);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  wait_for(run(path, "say", -1));

  puts("runs:");
  int input[2];
  pipe2(input, O_CLOEXEC);
  pid_t child = run(file, "wait", input[0]);
  wait_until_runs(child);
  try_all(file);
  puts("another file by its name:");
  rename(file, "moved");
  close(copy(file));
  try("  to write", file, O_WRONLY);
  try("  to write, the one that runs", "moved", O_WRONLY);
  say("  remove it", unlink("moved"));
  close(input[1]);
  wait_for(child);

  puts("has run:");
  pipe2(input, O_CLOEXEC);
  child = run(file, "wait", input[0]);
  kill(child, SIGKILL);
  siginfo_t info;
  waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
  try("  to write, not waited for yet", file, O_WRONLY);
  wait_for(child);
  puts("this program:");
  try("  to write", "/proc/self/exe", O_WRONLY);
  say("  truncate", truncate("/proc/self/exe", 1));
  return 0;
}
