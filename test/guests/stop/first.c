// What signals without a handler do to the first process, from inside: nothing, as in a container. Its end is what the
// argument asks for.
#include "../conformance/show.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void from_child(const char *name, int number) {
  pid_t child = fork();
  if (child == 0) _exit(kill(1, number) ? errno : 0);
  int status;
  waitpid(child, &status, 0);
  printf("%s from a child: %d\n", name, WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  VALUE(getpid());
  SHOW(kill(0, SIGTERM));
  SHOW(kill(0, SIGKILL));
  SHOW(raise(SIGSTOP));
  SHOW(kill(0, SIGSEGV));
  SHOW(raise(SIGTSTP));
  from_child("SIGINT", SIGINT);
  from_child("SIGKILL", SIGKILL);
  from_child("SIGSTOP", SIGSTOP);
  int ends[2];
  pipe(ends);
  close(ends[0]);
  SHOW(write(ends[1], "x", 1));
  // One that is blocked waits, and has no effect either when it comes.
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, NULL);
  SHOW(kill(0, SIGHUP));
  sigpending(&pending);
  SHOW(sigismember(&pending, SIGHUP));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  alarm(1);
  SHOW(usleep(1500000));
  // Children are as mortal as ever.
  int status;
  if (fork() == 0) raise(SIGTERM);
  wait(&status);
  VALUE(WTERMSIG(status) == SIGTERM);
  if (argc > 1 && !strcmp(argv[1], "abort")) abort();
  if (argc > 1 && !strcmp(argv[1], "kill of itself")) kill(getpid(), SIGTERM);
  if (argc > 1 && !strcmp(argv[1], "limit")) {
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 1});
    for (;;) {
    }
  }
  if (argc > 1 && !strcmp(argv[1], "wait")) {
    puts("waiting");
    for (;;) pause();
  }
  volatile int *volatile nowhere = NULL;
  *nowhere = 1;
}
