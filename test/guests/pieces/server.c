/*
 * Answers in two pieces, each a call of its own: "head" and "body". What comes from the client is read byte by byte:
 *
 *   q   the body follows the head at once
 *   s   the body follows after a tenth of a second, in which the program makes no system call
 *
 * Listens on port 8080 and serves one connection at a time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8080 };

/* Steps of the loop below that take a tenth of a second; a clock might be read by a system call. */
static long steps;

static void spin(long count) {
  for (volatile long step = 0; step < count; step++)
    ;
}

static long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void measure(void) {
  const long count = 1000000;
  spin(count);
  long began = microseconds();
  spin(count);
  steps = count * 100000 / (microseconds() - began + 1);
}

int main(void) {
  measure();
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  bind(listener, (struct sockaddr *)&address, sizeof address);
  listen(listener, 1);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (char request; read(connection, &request, 1) == 1;) {
      write(connection, "head", 4);
      if (request == 's') spin(steps);
      write(connection, "body", 4);
    }
    close(connection);
  }
}
