// Reads files that are many times larger than memory: mapped and by read(2), in order and at random, by several threads or processes at once, beside
// memory of its own that must stay what it is. Each word of the files says where it is.
//
//   pages threads|processes COUNT FILE…
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 4, OWN = 256 << 10 };

static char **files;
static int file_count;
static long wrong, looked;

static uint32_t expected(uint32_t file, uint32_t index) {
  uint32_t value = (index + 1) * 2654435761u ^ file * 40503u;
  return value ^ value >> 15;
}

static long check(const uint32_t *words, uint32_t file, size_t page) {
  long bad = 0;
  for (size_t index = 0; index < WORDS; index++) bad += words[index] != expected(file, page * WORDS + index);
  return bad;
}

static void *work(void *argument) {
  uintptr_t thread = (uintptr_t)argument;
  uint32_t state = thread * 7919 + 1;
  long bad = 0, pages_seen = 0;
  uint32_t *own = malloc(OWN);
  for (size_t index = 0; index < OWN / 4; index++) own[index] = expected(1000 + thread, index);
  uint32_t buffer[WORDS];
  for (int turn = 0; turn < file_count; turn++) {
    uint32_t file = (thread + turn) % file_count;
    int descriptor = open(files[file], O_RDONLY);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status)) abort();
    size_t pages = status.st_size / PAGE;
    char *map = mmap(NULL, status.st_size, PROT_READ, thread % 2 ? MAP_SHARED : MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED) abort();
    for (size_t page = 0; page < pages; page++, pages_seen++) bad += check((uint32_t *)(map + page * PAGE), file, page);
    for (size_t count = 0; count < pages / 4; count++, pages_seen++) {
      state = state * 1664525 + 1013904223;
      size_t page = (state >> 8) % pages;
      if (count % 2) {
        bad += check((uint32_t *)(map + page * PAGE), file, page);
      } else {
        if (pread(descriptor, buffer, PAGE, page * PAGE) != PAGE) abort();
        bad += check(buffer, file, page);
      }
    }
    munmap(map, status.st_size);
    close(descriptor);
  }
  for (size_t index = 0; index < OWN / 4; index++) bad += own[index] != expected(1000 + thread, index);
  __atomic_add_fetch(&wrong, bad, __ATOMIC_RELAXED);
  __atomic_add_fetch(&looked, pages_seen, __ATOMIC_RELAXED);
  return NULL;
}

// Processes show the same pages in address spaces of their own; what they found comes back by a pipe.
static void work_in_processes(int count) {
  int results[2];
  if (pipe(results)) abort();
  for (int index = 0; index < count; index++) {
    if (fork()) continue;
    work((void *)(uintptr_t)index);
    long found[2] = {looked, wrong};
    _exit(write(results[1], found, sizeof found) != sizeof found);
  }
  for (int index = 0; index < count; index++) {
    long found[2];
    if (read(results[0], found, sizeof found) != sizeof found) abort();
    looked += found[0];
    wrong += found[1];
    int status;
    if (wait(&status) < 0 || status) abort();
  }
}

int main(int argc, char **argv) {
  int count = atoi(argv[2]);
  files = argv + 3;
  file_count = argc - 3;
  if (!strcmp(argv[1], "processes")) {
    work_in_processes(count);
  } else {
    pthread_t threads[16];
    for (int index = 0; index < count; index++)
      pthread_create(&threads[index], NULL, work, (void *)(uintptr_t)index);
    for (int index = 0; index < count; index++) pthread_join(threads[index], NULL);
  }
  printf("%ld pages, %ld wrong words\n", looked, wrong);
  return wrong != 0;
}
