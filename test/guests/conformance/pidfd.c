// Processes as files: waiting, signals, descriptors of others.
#include "show.h"
#include <linux/sched.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

static int pidfd_open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags);
}
static int pidfd_getfd(int pidfd, int fd, unsigned flags) { return syscall(SYS_pidfd_getfd, pidfd, fd, flags); }

static int has_ended(int pidfd) {
  struct pollfd poller = {.fd = pidfd, .events = POLLIN};
  poll(&poller, 1, 0);
  return !!(poller.revents & POLLIN);
}

// A child that waits to be ended.
static pid_t sleeper(void) {
  pid_t child = fork();
  if (child == 0)
    for (;;)
      pause();
  return child;
}

static volatile sig_atomic_t value_told;
static void told(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  value_told = info->si_value.sival_int;
}

static void opening(void) {
  SHOW(pidfd_open(0, 0));
  SHOW(pidfd_open(-1, 0));
  SHOW(pidfd_open(getpid(), 1));
  SHOW(pidfd_open(1 << 21, 0));
  int own = WORKS(pidfd_open(getpid(), 0));
  SHOW(fcntl(own, F_GETFD));
  SHOW(fcntl(own, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  char byte = 0;
  SHOW(read(own, &byte, 1));
  SHOW(write(own, &byte, 1));
  VALUE(has_ended(own));
  SHOW(pidfd_send_signal(own, 0, NULL, 0));
  SHOW(pidfd_send_signal(own, 65, NULL, 0));
  SHOW(pidfd_send_signal(0, 0, NULL, 0));
  SHOW(pidfd_send_signal(1000, 0, NULL, 0));
  close(own);
}

static void ending(void) {
  pid_t child = sleeper();
  int pidfd = WORKS(pidfd_open(child, 0));
  VALUE(has_ended(pidfd));
  siginfo_t info = {0};
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG));
  VALUE(info.si_pid);
  SHOW(pidfd_send_signal(pidfd, SIGTERM, NULL, 0));
  struct pollfd poller = {.fd = pidfd, .events = POLLIN};
  SHOW(poll(&poller, 1, 10000));
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED | WNOWAIT));
  VALUE(info.si_pid == child);
  VALUE(info.si_code);
  VALUE(info.si_status);
  SHOW(pidfd_send_signal(pidfd, 0, NULL, 0));
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  VALUE(has_ended(pidfd));
  SHOW(pidfd_send_signal(pidfd, 0, NULL, 0));
  SHOW(pidfd_send_signal(pidfd, SIGKILL, NULL, 0));
  close(pidfd);

  child = sleeper();
  pidfd = WORKS(pidfd_open(child, O_NONBLOCK));
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  SHOW(kill(child, SIGKILL));
  SHOW(waitpid(child, NULL, 0) == child);
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  close(pidfd);
  SHOW(waitid(P_PIDFD, 0, &info, WEXITED));
  SHOW(waitid(P_PIDFD, -1, &info, WEXITED));
}

static void telling(void) {
  struct sigaction action = {.sa_sigaction = told, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  int own = pidfd_open(getpid(), 0);
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  info.si_value.sival_int = 42;
  SHOW(pidfd_send_signal(own, SIGUSR1, &info, 0));
  VALUE(value_told);
  SHOW(pidfd_send_signal(own, SIGUSR2, &info, 0));
  SHOW(pidfd_send_signal(own, SIGUSR1, (siginfo_t *)8, 0));
  pid_t child = sleeper();
  int pidfd = pidfd_open(child, 0);
  info.si_code = SI_USER;
  SHOW(pidfd_send_signal(pidfd, SIGUSR1, &info, 0));
  SHOW(pidfd_send_signal(pidfd, SIGKILL, NULL, 0));
  waitpid(child, NULL, 0);
  close(pidfd);
  close(own);
}

// Before `pidfd_open` a process's directory was its descriptor.
static void by_directory(void) {
  char path[64];
  pid_t child = sleeper();
  snprintf(path, sizeof path, "/proc/%d", child);
  int whole = WORKS(open(path, O_RDONLY | O_DIRECTORY));
  int place = open(path, O_PATH);
  snprintf(path, sizeof path, "/proc/%d/task/%d", child, child);
  int thread = WORKS(open(path, O_RDONLY | O_DIRECTORY));
  snprintf(path, sizeof path, "/proc/%d/status", child);
  int status = WORKS(open(path, O_RDONLY));
  int others = WORKS(open("/proc", O_RDONLY | O_DIRECTORY));
  SHOW(pidfd_send_signal(whole, 0, NULL, 0));
  SHOW(pidfd_send_signal(place, 0, NULL, 0));
  SHOW(pidfd_send_signal(thread, 0, NULL, 0));
  SHOW(pidfd_send_signal(status, 0, NULL, 0));
  SHOW(pidfd_send_signal(others, 0, NULL, 0));
  SHOW(pidfd_getfd(whole, 0, 0));
  siginfo_t info = {0};
  SHOW(waitid(P_PIDFD, whole, &info, WEXITED | WNOHANG));
  SHOW(pidfd_send_signal(whole, SIGTERM, NULL, 0));
  int ended = 0;
  SHOW(waitpid(child, &ended, 0) == child);
  VALUE(WTERMSIG(ended));
  SHOW(pidfd_send_signal(whole, 0, NULL, 0));
  for (int file = whole; file <= others; file++)
    close(file);
}

static void taking(void) {
  int pipes[2];
  if (pipe(pipes)) return;
  pid_t child = fork();
  if (child == 0) {
    int kept = dup2(pipes[1], 100);
    close(pipes[1]);
    if (kept == 100 && write(100, "a", 1) == 1)
      for (;;)
        pause();
    _exit(1);
  }
  char text[8];
  SHOW(read(pipes[0], text, 1));
  close(pipes[1]);
  int pidfd = pidfd_open(child, 0);
  SHOW(pidfd_getfd(pidfd, 101, 0));
  SHOW(pidfd_getfd(pidfd, -1, 0));
  SHOW(pidfd_getfd(pidfd, 100, 1));
  SHOW(pidfd_getfd(pipes[0], 100, 0));
  int taken = WORKS(pidfd_getfd(pidfd, 100, 0));
  SHOW(fcntl(taken, F_GETFD));
  SHOW(write(taken, "bcd", 3));
  SHOW(read(pipes[0], text, sizeof text));
  SHOW(pidfd_send_signal(pidfd, SIGKILL, NULL, 0));
  waitpid(child, NULL, 0);
  SHOW(pidfd_getfd(pidfd, 100, 0));
  close(taken);
  close(pidfd);
}

static void cloning(void) {
  int pidfd = -1;
  struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(fcntl(pidfd, F_GETFD) == -1 && errno == EBADF ? 7 : 8);
  VALUE(pidfd >= 0);
  SHOW(fcntl(pidfd, F_GETFD));
  siginfo_t info = {0};
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  VALUE(info.si_pid == child);
  // In a child that shares the parent's memory or has a copy of it, the number is there; the descriptor is not.
  VALUE(info.si_status);
  close(pidfd);
  arguments.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
  pid_t parent_tid = 0;
  arguments.parent_tid = (uintptr_t)&parent_tid;
  child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(0);
  VALUE(parent_tid == child);
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
  close(pidfd);
  SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &pidfd, 0, 0));
  arguments = (struct clone_args){.flags = CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD};
  SHOW(syscall(SYS_clone3, &arguments, sizeof arguments));
  child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
  if (child == 0) _exit(0);
  SHOW(waitid(P_PIDFD, pidfd, &info, WEXITED));
}

static void comparing(void) {
  pid_t own = getpid(), child = sleeper();
  int copy = dup(1), other = open("/", O_RDONLY | O_DIRECTORY);
#define kcmp(a, b, kind, x, y) syscall(SYS_kcmp, (pid_t)(a), (pid_t)(b), kind, x, y)
  SHOW(kcmp(own, own, 0, 1, copy));
  SHOW(kcmp(own, child, 0, 1, 1));
  VALUE(kcmp(own, own, 0, 1, other) > 0);
  SHOW(kcmp(own, own, 0, 1, 1000));
  SHOW(kcmp(own, own, 1, 0, 0));
  VALUE(kcmp(own, child, 1, 0, 0) > 0);
  VALUE(kcmp(own, child, 2, 0, 0) > 0);
  VALUE(kcmp(own, child, 3, 0, 0) > 0);
  VALUE(kcmp(own, child, 4, 0, 0) > 0);
  SHOW(kcmp(own, own, 99, 0, 0));
  SHOW(kcmp(own, 1 << 21, 1, 0, 0));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

int main(void) {
  setbuf(stdout, NULL);
  opening();
  ending();
  telling();
  by_directory();
  taking();
  cloning();
  comparing();
}
