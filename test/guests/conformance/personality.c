// What a process wants to be different (personality), and calls about memory that few make.
#include "show.h"
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static char *self = "/proc/self/exe";

// How a mapping may be used, by /proc/self/maps.
static void show_access(const void *place) {
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long start, end;
  char access[8], line[512];
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %7s", &start, &end, access) == 3 && start <= (unsigned long)place && (unsigned long)place < end)
      printf("%s\n", access);
  fclose(maps);
}

// Prints where its parts are, and what it has kept.
static int tell(void) {
  char local;
  printf("%x %p %p %p\n", personality(0xffffffff), (void *)tell, (void *)&local, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return 0;
}

static void run(char *output, size_t size) {
  int ends[2];
  pipe(ends);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    char *arguments[] = {"personality", "tell", NULL}, *none[] = {NULL};
    execve(self, arguments, none);
    _exit(99);
  }
  close(ends[1]);
  ssize_t length = read(ends[0], output, size - 1);
  output[length > 0 ? length : 0] = 0;
  close(ends[0]);
  waitpid(child, NULL, 0);
}

int main(int count, char **arguments) {
  (void)arguments;
  if (count > 1)
    return tell();
  setvbuf(stdout, NULL, _IOLBF, 0);
  SHOW(personality(0xffffffff));
  SHOW(personality(ADDR_NO_RANDOMIZE));
  SHOW(personality(0xffffffff));
  char first[256], second[256];
  run(first, sizeof first);
  run(second, sizeof second);
  VALUE(strlen(first) > 0);
  VALUE(strcmp(first, second));
  VALUE(strtol(first, NULL, 16));
  SHOW(personality(PER_LINUX));
  run(first, sizeof first);
  run(second, sizeof second);
  VALUE(strcmp(first, second) != 0);

  pid_t child = fork();
  if (child == 0) {
    SHOW(personality(READ_IMPLIES_EXEC | SHORT_INODE));
    SHOW(personality(0xffffffff));
    void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_access(memory);
    munmap(memory, 4096);
    memory = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_access(memory);
    pid_t grandchild = fork();
    if (grandchild == 0) {
      SHOW(personality(0xffffffff));
      _exit(0);
    }
    waitpid(grandchild, NULL, 0);
    // 64-bit programs say themselves what is executable.
    run(first, sizeof first);
    VALUE(strtol(first, NULL, 16));
    SHOW(personality(0x12345678));
    SHOW(personality(0xffffffff));
    SHOW(personality(0));
    SHOW(personality(0xffffffff));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  SHOW(personality(0xffffffff));

  // The key -1 stands for none; what other keys there are depends on the CPU.
  char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, -1));
  page[0] = 1;
  SHOW(syscall(SYS_pkey_mprotect, page + 1, 4096, PROT_READ, -1));
  SHOW(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, 99));
  SHOW(syscall(SYS_pkey_alloc, 1, 0));
  SHOW(syscall(SYS_pkey_alloc, 0, 4));
  SHOW(syscall(SYS_pkey_free, 99));

  // The memory of a process that ends.
  child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  int file = pidfd_open(child, 0);
  SHOW(syscall(SYS_process_mrelease, -1, 0));
  SHOW(syscall(SYS_process_mrelease, 0, 0));
  SHOW(syscall(SYS_process_mrelease, file, 1));
  SHOW(syscall(SYS_process_mrelease, file, 0));
  kill(child, SIGKILL);
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  SHOW(syscall(SYS_process_mrelease, file, 0));
  waitpid(child, NULL, 0);
  SHOW(syscall(SYS_process_mrelease, file, 0));
  return 0;
}
