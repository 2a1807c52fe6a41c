// Reads a file twice, by read(2) and through a mapping, and prints what came: bytes, an FNV-1a sum of them, and where the disk failed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 64 * 1024 };

struct total {
  size_t bytes, failures;
  uint32_t sum;
};

static sigjmp_buf next_page;

static void add(struct total *total, const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) total->sum = (total->sum ^ bytes[i]) * 16777619u;
  total->bytes += count;
}

static void fail(struct total *total, const char *way, size_t at, const char *why) {
  if (total->failures++ == 0) printf("%s fails at %zu: %s\n", way, at, why);
}

static void report(const struct total *total, const char *way) {
  printf("%s %zu bytes, sum %08x, %zu failures\n", way, total->bytes, total->sum, total->failures);
  fflush(stdout);
}

static void read_all(int file, size_t size) {
  static unsigned char buffer[CHUNK];
  struct total total = {.sum = 2166136261u};
  for (size_t at = 0; at < size;) {
    ssize_t count = pread(file, buffer, CHUNK, (off_t)at);
    if (count > 0) {
      add(&total, buffer, (size_t)count);
      at += (size_t)count;
    } else {
      fail(&total, "read", at, count == 0 ? "end of file" : strerrorname_np(errno));
      at = (at / PAGE + 1) * PAGE;
    }
  }
  report(&total, "read");
}

static void on_fault(int number) {
  siglongjmp(next_page, number);
}

// Copies as long as no signal comes; the signal's number, or 0.
static int copy(unsigned char *to, const unsigned char *from, size_t count) {
  int number = sigsetjmp(next_page, 1);
  if (number == 0) memcpy(to, from, count);
  return number;
}

static void map_all(int file, size_t size) {
  static unsigned char page[PAGE];
  struct total total = {.sum = 2166136261u};
  const unsigned char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (map == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  signal(SIGBUS, on_fault);
  for (size_t at = 0; at < size; at += PAGE) {
    size_t count = size - at < PAGE ? size - at : PAGE;
    int number = copy(page, map + at, count);
    if (number == 0) {
      add(&total, page, count);
    } else {
      fail(&total, "mapping", at, sigabbrev_np(number));
    }
  }
  report(&total, "mapped");
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  struct stat status;
  int file = open(arguments[1], O_RDONLY);
  if (file < 0 || fstat(file, &status) < 0) {
    perror(arguments[1]);
    return 1;
  }
  read_all(file, (size_t)status.st_size);
  map_all(file, (size_t)status.st_size);
  return 0;
}
