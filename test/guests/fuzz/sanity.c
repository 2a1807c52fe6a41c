// Whether the machine still does what a machine has to, after each round.
#include "supervisor.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *failed_at;
#define NEEDS(condition)         \
  do {                           \
    if (!(condition)) {          \
      failed_at = #condition;    \
      return false;              \
    }                            \
  } while (0)

static void fill(uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(mix(i) >> 7);
}

static bool write_and_read(void) {
  static uint8_t written[50000], read_back[50000];
  fill(written, sizeof written);
  int file = open("/tmp/sanity", O_RDWR | O_CREAT | O_TRUNC, 0600);
  NEEDS(file >= 0);
  NEEDS(write(file, written, sizeof written) == sizeof written);
  NEEDS(pread(file, read_back, sizeof read_back, 0) == sizeof read_back);
  NEEDS(!memcmp(written, read_back, sizeof written));
  uint8_t *mapped = mmap(NULL, sizeof written, PROT_READ, MAP_SHARED, file, 0);
  NEEDS(mapped != MAP_FAILED && !memcmp(mapped, written, sizeof written));
  NEEDS(munmap(mapped, sizeof written) == 0 && unlink("/tmp/sanity") == 0 && close(file) == 0);
  return true;
}

static void *count(void *counter) {
  for (int i = 0; i < 1000; i++) __atomic_add_fetch((int *)counter, 1, __ATOMIC_RELAXED);
  return counter;
}

static bool threads(void) {
  pthread_t all[4];
  int counter = 0;
  for (int i = 0; i < 4; i++) NEEDS(pthread_create(&all[i], NULL, count, &counter) == 0);
  void *result;
  for (int i = 0; i < 4; i++) NEEDS(pthread_join(all[i], &result) == 0 && result == &counter);
  NEEDS(counter == 4000);
  return true;
}

static bool exchange(void) {
  static uint8_t sent[100000], received[100000];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  NEEDS(bind(listener, (void *)&address, length) == 0 && listen(listener, 1) == 0);
  NEEDS(getsockname(listener, (void *)&address, &length) == 0 && connect(client, (void *)&address, length) == 0);
  int server = accept(listener, NULL, NULL);
  NEEDS(server >= 0);
  fill(sent, sizeof sent);
  size_t out = 0, in = 0;
  fcntl(client, F_SETFL, O_NONBLOCK);
  while (in < sizeof sent) {
    ssize_t more = write(client, sent + out, sizeof sent - out);
    if (more > 0) out += (size_t)more;
    NEEDS((more = read(server, received + in, sizeof received - in)) > 0);
    in += (size_t)more;
  }
  NEEDS(!memcmp(sent, received, sizeof sent));
  NEEDS(close(server) == 0 && close(client) == 0 && close(listener) == 0);
  return true;
}

static bool child_and_pipe(void) {
  int ends[2], status;
  NEEDS(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) _exit(write(ends[1], "child", 5) == 5 ? 42 : 1);
  char text[8] = {0};
  NEEDS(read(ends[0], text, 5) == 5 && !strcmp(text, "child"));
  NEEDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
  NEEDS(close(ends[0]) == 0 && close(ends[1]) == 0);
  return true;
}

// In a child, which is ended when it takes longer than it may.
bool is_sane(void) {
  pid_t child = fork();
  if (child < 0) return complain("fork() fails");
  if (child == 0) {
    alarm(SECONDS_TO_BE_SANE);
    bool sane = write_and_read() && threads() && exchange() && child_and_pipe();
    if (!sane) printf("sanity: %s: %m\n", failed_at);
    fflush(stdout);
    _exit(!sane);
  }
  int status;
  while (waitpid(child, &status, 0) != child)
    ;
  if (WIFSIGNALED(status)) return complain("the sanity task was ended by signal %d (14: not done in time)", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 || complain("the sanity task got a wrong result");
}
