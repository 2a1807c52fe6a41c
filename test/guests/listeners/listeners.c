// Threads that begin to listen at the same time, again and again, each time on ports that nobody has listened on before.
#include "../conformance/show.h"
#include <pthread.h>

#define THREADS 4
#define ROUNDS 100
#define FIRST_PORT 2000

static pthread_barrier_t together;

static void *listen_often(void *thread) {
  for (long round = 0; round < ROUNDS; round++) {
    int port = FIRST_PORT + round * THREADS + (long)thread;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) perror("bind");
    pthread_barrier_wait(&together);
    if (listen(listener, 1)) perror("listen");
    close(listener);
  }
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&together, NULL, THREADS);
  for (long i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, listen_often, (void *)i);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}
