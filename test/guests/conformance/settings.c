// Settings of processes and threads that change nothing else here, or little: prctl(2).
#include "show.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void show_all(void) {
  SHOW(prctl(PR_GET_DUMPABLE));
  SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

static void *in_thread(void *unused) {
  puts("in a thread");
  show_all();
  // Of the thread alone, and what 0 leads back to.
  SHOW(prctl(PR_SET_TIMERSLACK, 7));
  SHOW(prctl(PR_SET_TIMERSLACK, 0));
  SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(PR_SET_TIMERSLACK, 8));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
  // Of the process.
  SHOW(prctl(PR_SET_DUMPABLE, 1));
  SHOW(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
  return unused;
}

static void run(const char *what) {
  if (fork() == 0) {
    char *arguments[] = {"settings", (char *)what, NULL}, *none[] = {NULL};
    execve("/proc/self/exe", arguments, none);
    _exit(99);
  }
  wait(NULL);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count > 1) {
    puts(arguments[1]);
    show_all();
    return 0;
  }
  prctl(PR_SET_TIMERSLACK, 50000);
  show_all();
  for (int value = -1; value < 4; value++)
    SHOW(prctl(PR_SET_DUMPABLE, (long)value));
  SHOW(prctl(PR_GET_DUMPABLE, 1, 1, 1, 1));
  SHOW(prctl(PR_SET_DUMPABLE, 0, 1, 1, 1));

  SHOW(prctl(PR_SET_TIMERSLACK, 1));
  SHOW(prctl(PR_GET_TIMERSLACK, 1, 1, 1, 1));
  SHOW(prctl(PR_SET_TIMERSLACK, 1L << 40, 1, 1, 1));
  SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(PR_SET_TIMERSLACK, 60000));

  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 1, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 1));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0));
  SHOW(prctl(PR_MCE_KILL, 2, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 1, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 1));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  SHOW(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));

  SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 1));
  SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 1, 0));
  SHOW(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 1));
  SHOW(prctl(PR_SET_THP_DISABLE, 5, 0, 0, 0));
  SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));

  SHOW(prctl(PR_TASK_PERF_EVENTS_DISABLE));
  SHOW(prctl(PR_TASK_PERF_EVENTS_ENABLE, 1, 1, 1, 1));
  SHOW(prctl(PR_GET_TIMING));
  SHOW(prctl(PR_SET_TIMING, PR_TIMING_STATISTICAL));
  SHOW(prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP));
  SHOW(prctl(PR_GET_ENDIAN, &count));
  // Good names are not shown: not every Linux takes them.
  static char page[4096] __attribute__((aligned(4096)));
  SHOW(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "[,$"));
  SHOW(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "tab\t"));
  SHOW(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "back\\slash"));
  char longest[81];
  memset(longest, 'n', 80);
  longest[80] = 0;
  SHOW(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, longest));
  SHOW(prctl(PR_SET_VMA, 1, page, 4096, "good"));
  SHOW(prctl(12345, 0, 0, 0, 0));

  pid_t child = fork();
  if (child == 0) {
    puts("in a child");
    show_all();
    run("in a program that a child runs");
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    puts("after a thread");
    show_all();
    _exit(0);
  }
  waitpid(child, NULL, 0);
  puts("after a child");
  show_all();
  return 0;
}
