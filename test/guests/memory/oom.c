// Children that take memory until there is none: says which of them end for it, and that their parent, the first process, goes on.
//
//   oom one         a child takes memory while it holds a lock that it shares with its parent
//   oom adjusted    a child that has little of it is to end first, then the one that takes it, and never one that has more than the first
//   oom many        children write to what they had in common
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, MIB = 1 << 20, MANY = 16 };

static char *map(size_t size, int sharing) {
  char *place = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) perror("mmap"), exit(1);
  return place;
}

static void take(size_t size) {
  char *place = map(size, MAP_PRIVATE);
  for (size_t done = 0; done < size; done += CHUNK) memset(place + done, 'x', CHUNK);
}

static _Noreturn void take_all(void) {
  take(1UL << 30);
  _exit(0);
}

static void adjust(const char *value) {
  FILE *file = fopen("/proc/self/oom_score_adj", "w");
  fputs(value, file);
  fclose(file);
}

static int score_of(pid_t process) {
  char name[64];
  int score = -1;
  snprintf(name, sizeof name, "/proc/%d/oom_score", process);
  FILE *file = fopen(name, "r");
  if (file && fscanf(file, "%d", &score) != 1) score = -1;
  if (file) fclose(file);
  return score;
}

static void one(void) {
  pthread_mutex_t *lock = (pthread_mutex_t *)map(sizeof *lock, MAP_SHARED);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(lock, &attributes);
  for (int time = 0; time < 2; time++) {
    pid_t child = fork();
    if (!child) {
      pthread_mutex_lock(lock);
      take_all();
    }
    int status;
    waitpid(child, &status, 0);
    printf("the child: %s\n", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exited");
    printf("its lock: %s\n", strerrorname_np(pthread_mutex_lock(lock)));
    pthread_mutex_consistent(lock);
    pthread_mutex_unlock(lock);
  }
  take(4 * MIB);
  puts("the parent has what it had");
}

static void adjusted(void) {
  static const char *names[] = {"the one that has more", "the one that is to end first", "the one that takes it"};
  pid_t children[3];
  int ready[2];
  char byte = 0;
  if (pipe(ready)) perror("pipe"), exit(1);
  for (int index = 0; index < 3; index++) {
    if ((children[index] = fork())) {
      if (read(ready[0], &byte, 1) != 1) exit(1);
      continue;
    }
    adjust((const char *[]){"-1000", "1000", "0"}[index]);
    take((size_t[]){4 * MIB, MIB / 4, MIB}[index]);
    // Once the scores have been read, the last goes on.
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    if (index < 2) pause();
    sleep(1);
    take_all();
  }
  int scores[3];
  for (int index = 0; index < 3; index++) scores[index] = score_of(children[index]);
  printf("scores: %d, %d, %s\n", score_of(1), scores[0], scores[1] > scores[2] && scores[2] > 0 ? "then by the adjustment" : "wrong");
  for (int count = 0; count < 2; count++) {
    int status;
    pid_t ended = wait(&status);
    for (int index = 0; index < 3; index++)
      if (ended == children[index]) printf("%s: %s\n", names[index], strsignal(WTERMSIG(status)));
  }
  kill(children[0], SIGTERM);
}

static void many(void) {
  const size_t size = 4 * MIB;
  char *place = map(size, MAP_PRIVATE);
  memset(place, 'x', size);
  for (int index = 0; index < MANY; index++) {
    int done[2];
    char byte;
    if (pipe(done)) perror("pipe"), exit(1);
    if (!fork()) {
      signal(SIGTERM, SIG_DFL);
      memset(place, 'a' + index, size);
      if (write(done[1], place, 1) == 1) pause();
      _exit(1);
    }
    close(done[1]);
    // Ends without a byte when it is this one that ends for the others.
    if (read(done[0], &byte, 1) < 0) perror("read"), exit(1);
    close(done[0]);
  }
  int killed = 0, status;
  while (waitpid(-1, &status, WNOHANG) > 0) killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  puts(killed >= MANY / 2 && killed < MANY ? "most ended for the others" : "too many or too few ended");
  kill(0, SIGTERM);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 2) return 2;
  if (!strcmp(argv[1], "one")) one();
  else if (!strcmp(argv[1], "adjusted")) adjusted();
  else signal(SIGTERM, SIG_IGN), many();
  puts("the parent goes on");
  return 0;
}
