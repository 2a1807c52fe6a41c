// An echo server that ten times a second uses everything else as well: reads a part of a file that it has not read before, sends to itself, and
// sends more packets to the network than its card has room for. At its stop signal it says goodbye.
#include "../conformance/show.h"
#include <poll.h>
#include <sys/signalfd.h>

enum { PORT = 8080, TICK_MS = 100, PART = 64 << 10, PACKETS = 100, MOST = 16 };

static struct sockaddr_in at(uint32_t address, int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

// Whether the next part of the file comes whole.
static int read_on(int file) {
  static char part[PART];
  static off_t offset;
  ssize_t count = pread(file, part, sizeof part, offset);
  offset = count == PART ? offset + PART : 0;
  return count >= 0;
}

// Whether what is sent to oneself arrives.
static int send_to_self(int sender, int receiver) {
  struct sockaddr_in self = at(INADDR_LOOPBACK, PORT);
  char byte = 0;
  sendto(sender, "x", 1, 0, (struct sockaddr *)&self, sizeof self);
  struct pollfd arrives = {.fd = receiver, .events = POLLIN};
  return poll(&arrives, 1, 5000) == 1 && recv(receiver, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, NULL);
  int file = open("/data", O_RDONLY);
  int sender = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), receiver = socket(AF_INET, SOCK_DGRAM, 0);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in own = at(INADDR_ANY, PORT), away = at(0x0a000202, 9);
  if (file < 0 || bind(receiver, (struct sockaddr *)&own, sizeof own) || bind(listener, (struct sockaddr *)&own, sizeof own) ||
      listen(listener, MOST)) {
    perror("card");
    return 1;
  }
  struct pollfd files[2 + MOST] = {{.fd = signalfd(-1, &stop, 0), .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  int count = 2;
  long tick = 0, next = milliseconds();
  for (;;) {
    long left = next - milliseconds();
    poll(files, count, left > 0 ? left : 0);
    if (files[0].revents) break;
    if (files[1].revents && count < 2 + MOST)
      files[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    for (int i = 2; i < count; i++) {
      char bytes[4096];
      if (!files[i].revents) continue;
      ssize_t got = recv(files[i].fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (got > 0) send(files[i].fd, bytes, got, MSG_DONTWAIT | MSG_NOSIGNAL);
      else if (got == 0 || errno != EAGAIN) {
        if (got < 0) printf("a connection ends: %s\n", strerrorname_np(errno));
        close(files[i].fd);
        files[i--] = files[--count];
      }
    }
    if (milliseconds() < next) continue;
    next = milliseconds() + TICK_MS;
    char packet[1000] = "";
    for (int i = 0; i < PACKETS; i++)
      sendto(sender, packet, sizeof packet, 0, (struct sockaddr *)&away, sizeof away);
    printf("tick %ld: disk %d, self %d\n", tick++, read_on(file), send_to_self(sender, receiver));
  }
  puts("goodbye");
  return 0;
}
