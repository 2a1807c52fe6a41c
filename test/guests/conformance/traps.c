// What instructions do that end in a signal: which, with what code, and where the program stands.
#include "show.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t info;
static greg_t stopped_at;

static void caught(int signal, siginfo_t *told, void *context) {
  (void)signal;
  info = *told;
  stopped_at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  siglongjmp(back, 1);
}

// Tells where something lies, as seen from the code that was run.
static void place(const char *what, uintptr_t address, uintptr_t code) {
  if (address >= code && address < code + 4096)
    printf("%s %ld bytes in", what, (long)(address - code));
  else
    printf("%s %#lx", what, (unsigned long)address);
}

// Runs machine code that begins on a page of its own.
static void run(const char *name, const char *code, size_t size) {
  char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(page, code, size);
  page[size] = '\xc3';
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
  if (sigsetjmp(back, 1)) {
    printf("%s: signal %d, code %d, ", name, info.si_signo, info.si_code);
    place("address", (uintptr_t)info.si_addr, (uintptr_t)page);
    printf(", ");
    place("stopped at", (uintptr_t)stopped_at, (uintptr_t)page);
    printf("\n");
  } else {
    ((void (*)(void))page)();
    printf("%s: goes on\n", name);
  }
  munmap(page, 4096);
}
#define RUN(name, code) run(name, code, sizeof code - 1)

int main(void) {
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaction(signals[i], &action, NULL);
  RUN("nop", "\x90");
  RUN("int3", "\xcc");
  RUN("int $3", "\xcd\x03");
  RUN("int $4", "\xcd\x04");
  RUN("int $5", "\xcd\x05");
  RUN("int $255", "\xcd\xff");
  RUN("ud2", "\x0f\x0b");
  RUN("hlt", "\xf4");
  RUN("cli", "\xfa");
  RUN("in", "\xec");
  RUN("wrmsr", "\x0f\x30");
  RUN("mov to cr0", "\x0f\x22\xc0");
  RUN("xor %ecx, %ecx; div %ecx", "\x31\xc9\xf7\xf1");
  RUN("load from a non-canonical address", "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\x8b\x00");
  RUN("load from address 16", "\x31\xc0\x8b\x40\x10");
  RUN("jump into the kernel", "\x48\xc7\xc0\x00\x00\x00\x80\xff\xe0");
}
