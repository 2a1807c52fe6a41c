// Uses up one thing after the other, says how each ends, gives all of it back and goes on. Lines depend on the limits of the guest only in that
// each thing must end with an error of the list, and must be there again after it was given back.
//
//   exhaust WHAT    WHAT: files, memfd, pipes, sockets, threads, processes, descriptors, mappings, or memory, which has no end but the guest's
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 70000, CHUNK = 64 << 10 };

static int descriptors[MOST];
static char bytes[CHUNK];

static void close_all(int count) {
  while (count > 0) close(descriptors[--count]);
}

// Writes files until there is no room; returns how many KiB there were.
static long fill_files(int *error) {
  long total = 0;
  char name[64];
  int file = 0;
  for (int number = 0; file >= 0; number++) {
    snprintf(name, sizeof name, "/tmp/fill-%d", number);
    file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    *error = errno;
    long written = 0;
    ssize_t count = 0;
    // Files of one chunk and of many.
    long size = number % 4 ? CHUNK : 1 << 20;
    while (file >= 0 && written < size && (count = write(file, bytes, CHUNK)) > 0) written += count;
    if (file >= 0 && count < 0) *error = errno;
    if (file >= 0) close(file);
    total += written >> 10;
    if (file >= 0 && count < 0) break;
  }
  for (int number = 0;; number++) {
    snprintf(name, sizeof name, "/tmp/fill-%d", number);
    if (unlink(name)) break;
  }
  return total;
}

// A file in memory has no limit of its own.
static long fill_memfd(int *error) {
  long total = 0;
  ssize_t written;
  int file = memfd_create("fill", 0);
  while ((written = write(file, bytes, CHUNK)) > 0) total += written >> 10;
  *error = errno;
  close(file);
  return total;
}

static long fill_pairs(int *error, int (*make)(int *)) {
  int count = 0, pair[2];
  while (count + 2 <= MOST && !make(pair)) {
    descriptors[count++] = pair[0];
    descriptors[count++] = pair[1];
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    while (write(pair[1], bytes, CHUNK) > 0) {}
  }
  *error = errno;
  close_all(count);
  return count;
}

static int make_pipe(int *pair) { return pipe(pair); }
static int make_sockets(int *pair) { return socketpair(AF_UNIX, SOCK_STREAM, 0, pair); }

static long fill_descriptors(int *error) {
  int count = 0;
  while (count < MOST && (descriptors[count] = socket(AF_INET, SOCK_STREAM, 0)) >= 0) count++;
  *error = errno;
  close_all(count);
  return count;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *wait_at_gate(void *ignored) {
  (void)ignored;
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
  return NULL;
}

static long fill_threads(int *error) {
  static pthread_t threads[MOST];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16 << 10);
  int count = 0;
  pthread_mutex_lock(&gate);
  while (count < MOST && !(*error = pthread_create(&threads[count], &attributes, wait_at_gate, NULL))) count++;
  pthread_mutex_unlock(&gate);
  for (int index = 0; index < count; index++) pthread_join(threads[index], NULL);
  return count;
}

// Processes that do nothing but be there. Each has what it needs before the next one comes: memory in common is not promised to both.
static long fill_processes(int *error) {
  static pid_t children[MOST];
  int count = 0, ready[2];
  char byte = 0;
  if (pipe(ready)) return 0;
  while (count < MOST && (children[count] = fork()) >= 0) {
    if (!children[count]) {
      if (write(ready[1], &byte, 1) == 1) pause();
      _exit(0);
    }
    count++;
    if (read(ready[0], &byte, 1) != 1) break;
  }
  *error = errno;
  for (int index = 0; index < count; index++) kill(children[index], SIGKILL);
  for (int index = 0; index < count; index++) waitpid(children[index], NULL, 0);
  close(ready[0]);
  close(ready[1]);
  return count;
}

// Address space by small mappings, which cost the kernel's memory and not the application's.
static long fill_mappings(int *error) {
  static void *places[MOST];
  int count = 0;
  while (count < MOST) {
    int protection = count % 2 ? PROT_READ : PROT_NONE;
    void *place = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *error = errno;
    if (place == MAP_FAILED) break;
    places[count++] = place;
  }
  for (int index = 0; index < count; index++) munmap(places[index], 4096);
  return count;
}

// Memory that is used, until the guest ends. All of it is there from the start, as far as the address space goes.
static long fill_memory(int *error) {
  const size_t size = 1UL << 30;
  char *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  *error = errno;
  for (size_t done = 0; place != MAP_FAILED && done < size; done += CHUNK) memset(place + done, 'x', CHUNK);
  return 0;
}

static long once(const char *what, int *error) {
  if (!strcmp(what, "files")) return fill_files(error);
  if (!strcmp(what, "memfd")) return fill_memfd(error);
  if (!strcmp(what, "pipes")) return fill_pairs(error, make_pipe);
  if (!strcmp(what, "sockets")) return fill_pairs(error, make_sockets);
  if (!strcmp(what, "threads")) return fill_threads(error);
  if (!strcmp(what, "processes")) return fill_processes(error);
  if (!strcmp(what, "descriptors")) return fill_descriptors(error);
  if (!strcmp(what, "mappings")) return fill_mappings(error);
  return fill_memory(error);
}

int main(int argc, char **argv) {
  setbuf(stdout, NULL);
  memset(bytes, 'x', sizeof bytes);
  if (argc != 2) return 2;
  int error = 0;
  long first = once(argv[1], &error);
  printf("%s: %s\n", argv[1], strerrorname_np(error));
  long second = once(argv[1], &error);
  printf("%s: %ld, %ld\n", argv[1], first, second);
  puts(second * 10 >= first * 9 && first >= 4 ? "done" : "not all of it is there again");
  return 0;
}
