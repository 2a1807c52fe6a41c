// Reads into memory that was never touched give all that is there, as reads into any other do: who gets less takes it that there is no more.
#include "show.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { FIRST = 73, SECOND = 6000, ROOM = 16384 };

// Room that begins shortly before the end of a page, none of whose pages is there.
static char *untouched(void) {
  char *pages = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages + 4096 - FIRST - 20;
}

// Puts two pieces into `into` and waits until they are in `from`.
static void fill(int into, int from) {
  static char bytes[SECOND];
  for (int i = 0; i < SECOND; i++) bytes[i] = (char)(i * 7);
  write(into, bytes, FIRST);
  write(into, bytes, SECOND);
  int there = 0;
  while (there < FIRST + SECOND) ioctl(from, FIONREAD, &there);
}

static int is_right(const char *bytes) {
  for (int i = 0; i < FIRST; i++)
    if (bytes[i] != (char)(i * 7)) return 0;
  for (int i = 0; i < SECOND; i++)
    if (bytes[FIRST + i] != (char)(i * 7)) return 0;
  return 1;
}

static void show(const char *what, int into, int from, int is_socket) {
  printf("%s\n", what);
  char *room = untouched();
  fill(into, from);
  SHOW(read(from, room, ROOM));
  VALUE(is_right(room));

  room = untouched();
  fill(into, from);
  struct iovec vectors[2] = {{room, FIRST + 1000}, {untouched(), ROOM}};
  SHOW(readv(from, vectors, 2));
  memcpy(room + FIRST + 1000, vectors[1].iov_base, SECOND - 1000);
  VALUE(is_right(room));
  if (!is_socket) return;

  room = untouched();
  fill(into, from);
  SHOW(recv(from, room, ROOM, MSG_PEEK));
  VALUE(is_right(room));
  room = untouched();
  SHOW(recv(from, room, ROOM, MSG_DONTWAIT));
  VALUE(is_right(room));
  SHOW(recv(from, untouched(), ROOM, MSG_DONTWAIT));

  room = untouched();
  fill(into, from);
  struct msghdr message = {.msg_iov = &(struct iovec){room, ROOM}, .msg_iovlen = 1};
  SHOW(recvmsg(from, &message, 0));
  VALUE(is_right(room));
}

// Of what keeps its bounds, all of one.
static void show_packets(const char *what, int into, int from, int is_socket) {
  printf("%s\n", what);
  static char bytes[4000];
  memset(bytes, 'p', sizeof bytes);
  for (int i = 0; i < 3; i++) write(into, bytes, sizeof bytes - (size_t)i);
  SHOW(read(from, untouched(), ROOM));
  if (is_socket) SHOW(recv(from, untouched(), ROOM, MSG_PEEK));
  char *room = untouched();
  SHOW(read(from, room, ROOM));
  VALUE(memcmp(room, bytes, sizeof bytes - 1));
  SHOW(read(from, untouched(), 2000));
}

int main(void) {
  int ends[2];
  pipe(ends);
  show("pipe", ends[1], ends[0], 0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  show("Unix stream", ends[1], ends[0], 1);

  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  bind(listener, (struct sockaddr *)&address, length);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &length);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect(client, (struct sockaddr *)&address, length));
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  int served = accept(listener, NULL, NULL);
  show("TCP", client, served, 1);

  pipe2(ends, O_DIRECT);
  show_packets("packet pipe", ends[1], ends[0], 0);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  show_packets("Unix datagrams", ends[1], ends[0], 1);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
  show_packets("Unix packets", ends[1], ends[0], 1);
  int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
  address.sin_port = 0;
  bind(receiver, (struct sockaddr *)&address, length);
  getsockname(receiver, (struct sockaddr *)&address, &length);
  SHOW(connect(sender, (struct sockaddr *)&address, length));
  show_packets("UDP", sender, receiver, 1);
  return 0;
}
