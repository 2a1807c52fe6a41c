// Files that no mount forbids on Linux: in memory, over a file of the image, and a file of the image that changes under its mapping.
#include "../conformance/show.h"
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf back;

static void caught(int signal, siginfo_t *info, void *context) {
  (void)context;
  printf("signal %d, code %d\n", signal, info->si_code);
  siglongjmp(back, 1);
}

static void try_to_run(void *at) {
  if (!sigsetjmp(back, 1)) printf("it returned %d\n", ((int (*)(void))at)());
}

// mov $42, %eax; ret
static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};

int main(int argc, char **argv) {
  setbuf(stdout, NULL);
  if (argc > 1) {
    printf("executed: %s\n", argv[1]);
    return 0;
  }
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);

  int memory = memfd_create("code", 0);
  WORKS(write(memory, code, sizeof code));
  void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, memory, 0);
  printf("map memory: %s\n", at == MAP_FAILED ? strerrorname_np(errno) : "works");
  if (at != MAP_FAILED) try_to_run(at);
  SHOW(fexecve(memory, (char *[]){"memory", "memory", NULL}, environ));

  // A file of the image is mapped to be executed, then written, before its page was ever used.
  int file = open("/victim", O_RDWR);
  at = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  printf("map a file: %s\n", at == MAP_FAILED ? strerrorname_np(errno) : "works");
  WORKS(pwrite(file, code, sizeof code, 0));
  try_to_run(at);
  SHOW(mprotect(at, 8192, PROT_READ));
  SHOW(mprotect(at, 8192, PROT_READ | PROT_EXEC));
  SHOW(access("/victim", X_OK));

  // What is open to be written cannot be executed at all.
  close(file);
  SHOW(rename("/victim", argv[0]));
  SHOW(execve(argv[0], (char *[]){argv[0], "replaced", NULL}, environ));
  return 0;
}
