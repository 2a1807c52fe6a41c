// What may be executed: files of the image, whatever happens to their attributes, and code that a program makes in its own memory; no file that
// was written. Run in a folder of a file system that is mounted noexec, Linux does the same.
#include "../conformance/show.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

extern char **environ;

static void *code;

// mov $number, %eax; ret
static void write_code(unsigned char *at, uint32_t number) {
  at[0] = 0xb8;
  memcpy(at + 1, &number, 4);
  at[5] = 0xc3;
}

static int run(void *at) { return ((int (*)(void))at)(); }

static long map(const char *path, int open_flags, int protection, int flags) {
  int file = open(path, open_flags);
  void *at = mmap(NULL, 4096, protection, flags, file, 0);
  int error = errno;
  close(file);
  if (at != MAP_FAILED) munmap(at, 4096);
  errno = error;
  return at == MAP_FAILED ? -1 : 0;
}

static void copy(const char *from, const char *to) {
  static char buffer[65536];
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  for (ssize_t size; (size = read(in, buffer, sizeof buffer)) > 0;)
    if (write(out, buffer, size) != size) exit(1);
  close(in), close(out);
}

static void written_files(void) {
  copy("/proc/self/exe", "copy");
  SHOW(access("copy", X_OK));
  SHOW(access("copy", R_OK));
  SHOW(execve("copy", (char *[]){"copy", "x", NULL}, environ));
  SHOW(map("copy", O_RDONLY, PROT_READ | PROT_EXEC, MAP_PRIVATE));
  SHOW(map("copy", O_RDWR, PROT_READ | PROT_EXEC, MAP_SHARED));
  SHOW(map("copy", O_RDWR, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE));
  SHOW(map("copy", O_RDONLY, PROT_READ, MAP_PRIVATE));
  int file = open("copy", O_RDWR);
  void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
  SHOW(mprotect(at, 4096, PROT_READ | PROT_WRITE));
  SHOW(mprotect(at, 4096, PROT_READ | PROT_EXEC));
  SHOW(mprotect(at, 4096, PROT_NONE));
  SHOW(mprotect(at, 4096, PROT_EXEC));
  int script = open("script", O_WRONLY | O_CREAT, 0755);
  WORKS(write(script, "#!/proc/self/exe\n", 17));
  close(script);
  SHOW(execve("script", (char *[]){"script", NULL}, environ));
  SHOW(syscall(SYS_execveat, file, "", (char *[]){"copy", NULL}, environ, AT_EMPTY_PATH));
}

static void own_code(void) {
  unsigned char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  write_code(at, 42);
  SHOW(mprotect(at, 4096, PROT_READ | PROT_EXEC));
  VALUE(run(at));
  SHOW(mprotect(at, 4096, PROT_READ | PROT_WRITE));
  write_code(at, 43);
  SHOW(mprotect(at, 4096, PROT_READ | PROT_EXEC));
  VALUE(run(at));

  at = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VALUE(at != MAP_FAILED);
  for (uint32_t i = 0; i < 3; i++) {
    write_code(at, 100 + i);
    VALUE(run(at));
  }
  VALUE(at[1]);
  // movl $7, 6(%rip); mov 0(%rip), %eax ...: code that writes a number beside itself and returns it.
  static const unsigned char self[] = {0xc7, 0x05, 7, 0, 0, 0, 7, 0, 0, 0, 0x8b, 0x05, 1, 0, 0, 0, 0xc3, 0, 0, 0, 0};
  memcpy(at + 4096, self, sizeof self);
  VALUE(run(at + 4096));
  VALUE(at[4096 + 17]);

  at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  VALUE(at != MAP_FAILED);
  write_code(at, 5);
  VALUE(run(at));
  code = mremap(at, 4096, 8192, MREMAP_MAYMOVE);
  VALUE(run(code));
  munmap(code, 8192);
}

static atomic_int stop;

static void *patch(void *argument) {
  unsigned char *at = argument;
  for (uint32_t i = 0; !stop; i++) at[1] = (unsigned char)(i % 100);
  return NULL;
}

// One thread writes the code that another runs.
static void patched_code(void) {
  unsigned char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  write_code(at, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, patch, at);
  int wrong = 0;
  for (int i = 0; i < 2000; i++) {
    int number = run(at);
    wrong += number < 0 || number >= 100;
  }
  stop = 1;
  pthread_join(thread, NULL);
  VALUE(wrong);
}

int main(int argc, char **argv) {
  setbuf(stdout, NULL);
  if (argc > 1) {
    printf("executed: %s\n", argv[1]);
    return 0;
  }
  written_files();
  own_code();
  patched_code();
  SHOW(chmod(argv[0], 0755));
  SHOW(utimensat(AT_FDCWD, argv[0], NULL, 0));
  SHOW(access(argv[0], X_OK));
  SHOW(map(argv[0], O_RDONLY, PROT_READ | PROT_EXEC, MAP_PRIVATE));
  SHOW(execve(argv[0], (char *[]){argv[0], "again", NULL}, environ));
  return 1;
}
