// Tells which signal asks it to end, and from whom it comes.
#include "../conformance/show.h"
#include <signal.h>

int main(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  setbuf(stdout, NULL);
  puts("waiting");
  siginfo_t info;
  int signal = sigwaitinfo(&all, &info);
  printf("signal %d, %s, from process %d\n", signal, info.si_code == SI_KERNEL ? "of the kernel" : "of a program", info.si_pid);
  return 7;
}
