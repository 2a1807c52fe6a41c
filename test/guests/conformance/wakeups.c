// Who can go on does so soon, also when all CPUs compute.
#include "show.h"
#include <poll.h>
#include <pthread.h>

// Far more than a turn of whoever computes, far less than for ever.
#define SOON 1000

static volatile int done;
static volatile int woken;
static int channel[2];

static void *read_bytes(void *unused) {
  (void)unused;
  char byte;
  while (read(channel[0], &byte, 1) == 1)
    woken++;
  return NULL;
}

static void *poll_bytes(void *unused) {
  (void)unused;
  char byte;
  struct pollfd wanted = {.fd = channel[0], .events = POLLIN};
  while (poll(&wanted, 1, -1) == 1 && read(channel[0], &byte, 1) == 1)
    woken++;
  return NULL;
}

// Computes, and never calls the kernel.
static void *compute(void *unused) {
  while (!done)
    ;
  return unused;
}

// Whether `sleeper` goes on when the main thread has written, while `others` compute and the main thread does, too.
static int goes_on(void *(*sleeper)(void *), int others) {
  pthread_t sleeps, computes[4];
  done = 0, woken = 0;
  pipe(channel);
  pthread_create(&sleeps, NULL, sleeper, NULL);
  // It sleeps, and the next thread gets the CPU that it slept on.
  usleep(20000);
  for (int i = 0; i < others; i++)
    pthread_create(&computes[i], NULL, compute, NULL);
  int soon = 1;
  for (int round = 1; round <= 3 && soon; round++) {
    long begin = milliseconds();
    while (milliseconds() < begin + 20)
      ;
    write(channel[1], "x", 1);
    while (woken < round && milliseconds() < begin + SOON)
      ;
    soon = woken == round;
  }
  done = 1;
  close(channel[1]);
  for (int i = 0; i < others; i++)
    pthread_join(computes[i], NULL);
  pthread_join(sleeps, NULL);
  close(channel[0]);
  return soon;
}

int main(void) {
  setbuf(stdout, NULL);
  VALUE(goes_on(read_bytes, 0));
  VALUE(goes_on(read_bytes, 1));
  VALUE(goes_on(read_bytes, 2));
  VALUE(goes_on(poll_bytes, 1));
  VALUE(goes_on(poll_bytes, 2));
}
