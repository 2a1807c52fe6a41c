// Threads that write lines to the console faster than anybody reads them. When all are written it listens, which the host is told of by another way,
// and at its stop signal it says goodbye.
#include "../conformance/show.h"
#include <pthread.h>

#define THREADS 4
#define LINES 8000
#define PORT 8080

static void *talk(void *argument) {
  char line[80];
  for (int number = 0; number < LINES; number++) {
    int length = snprintf(line, sizeof line, "thread %ld line %06d of many that are written to the console at once\n",
                          (long)argument, number);
    if (write(STDOUT_FILENO, line, length) != length) _exit(1);
  }
  return NULL;
}

int main(void) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, NULL);
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, talk, (void *)i);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) _exit(2);
  int signal;
  sigwait(&stop, &signal);
  puts("goodbye");
}
