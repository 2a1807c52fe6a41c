// Programs that other programs run: scripts whose interpreters are scripts, up to those without end, and a program that is its own loader.
#include "show.h"
#include <elf.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const char *program = "program-copy";

static void put(const char *path, const void *bytes, size_t size) {
  int file = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);
  write(file, bytes, size);
  close(file);
}

static void script(const char *path, const char *interpreter) {
  char line[256];
  put(path, line, (size_t)snprintf(line, sizeof line, "#!%s\n", interpreter));
}

// Runs it, and tells what it ends with.
static void run(const char *path) {
  printf("%s:\n", path);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    execl(path, path, "say", NULL);
    printf("  %s\n", strerrorname_np(errno));
    exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("  %s\n", strsignal(WTERMSIG(status)));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    printf("  %d arguments, the last %s\n", argc, argv[argc - 1]);
    return 0;
  }
  enter_scratch();
  int own = open("/proc/self/exe", O_RDONLY);
  struct stat status;
  fstat(own, &status);
  size_t size = (size_t)status.st_size;
  char *bytes = malloc(size + 64);
  read(own, bytes, size);
  close(own);
  put(program, bytes, size);

  // Each is the interpreter of the one before.
  char path[16], interpreter[16];
  script("./script-1", "./program-copy");
  for (int depth = 2; depth <= 8; depth++) {
    snprintf(path, sizeof path, "./script-%d", depth);
    snprintf(interpreter, sizeof interpreter, "./script-%d", depth - 1);
    script(path, interpreter);
  }
  for (int depth = 1; depth <= 8; depth++) {
    snprintf(path, sizeof path, "./script-%d", depth);
    run(path);
  }
  script("./own", "./own");
  run("./own");
  script("./one", "./other");
  script("./other", "./one");
  run("./one");
  script("./nothing", "");
  run("./nothing");
  script("./missing", "./nowhere");
  run("./missing");
  script("./folder", "/");
  run("./folder");

  // In the place of its notes, which nobody reads.
  static const char name[] = "./own-loader";
  Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
  Elf64_Phdr *entries = (Elf64_Phdr *)(bytes + header->e_phoff);
  memcpy(bytes + size, name, sizeof name);
  for (int i = 0; i < header->e_phnum; i++) {
    if (entries[i].p_type != PT_NOTE) continue;
    entries[i].p_type = PT_INTERP;
    entries[i].p_offset = size;
    entries[i].p_filesz = sizeof name;
    break;
  }
  put(name, bytes, size + sizeof name);
  run(name);
  // Text is no loader.
  char text[256];
  memset(text, '#', sizeof text);
  put(name, text, sizeof text);
  put("./text-loader", bytes, size + sizeof name);
  run("./text-loader");
}
