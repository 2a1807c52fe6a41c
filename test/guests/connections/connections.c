// Holds 50,000 connections with itself at a time: each carries a byte both ways, then all are closed. Tells what memory they took, and what of it is
// not given back.
#include "../conformance/show.h"
#include <sys/epoll.h>
#include <sys/resource.h>

enum { COUNT = 50000, PORT = 8080, SOURCES = 3, EVENTS = 512 };

// By descriptor: the server's end, the client's, or none.
static enum { NONE, SERVER, CLIENT } ends[2 * COUNT + 64];

static void die(const char *what) {
  perror(what);
  exit(1);
}

// KiB of memory that nobody uses.
static long free_memory(void) {
  char text[4096] = "";
  int file = open("/proc/meminfo", O_RDONLY);
  read(file, text, sizeof text - 1);
  close(file);
  char *line = strstr(text, "MemFree:");
  return line ? atol(line + strlen("MemFree:")) : 0;
}

static struct sockaddr_in at(uint32_t address, int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static void watch(int epoll, int end, int role) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = end};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, end, &event)) die("epoll_ctl");
  ends[end] = role;
}

static void open_all(int epoll, int listener) {
  struct sockaddr_in server = at(INADDR_LOOPBACK, PORT);
  for (int i = 0; i < COUNT; i++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    // One address has fewer ports.
    struct sockaddr_in own = at(INADDR_LOOPBACK + i % SOURCES, 0);
    if (bind(client, (struct sockaddr *)&own, sizeof own)) die("bind");
    if (connect(client, (struct sockaddr *)&server, sizeof server)) die("connect");
    watch(epoll, client, CLIENT);
    int accepted = accept(listener, NULL, NULL);
    if (accepted < 0) die("accept");
    watch(epoll, accepted, SERVER);
  }
}

int main(void) {
  struct rlimit limit = {sizeof ends / sizeof *ends, sizeof ends / sizeof *ends};
  if (setrlimit(RLIMIT_NOFILE, &limit)) die("setrlimit");
  setbuf(stdout, NULL);
  int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in any = at(INADDR_ANY, PORT);
  if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 128)) die("listen");
  memset(ends, 0, sizeof ends);

  long before = free_memory();
  open_all(epoll, listener);
  for (int end = 0; end < (int)limit.rlim_cur; end++)
    if (ends[end] == CLIENT && send(end, &(char){(char)end}, 1, 0) != 1) die("send");
  struct epoll_event events[EVENTS];
  int answered = 0;
  while (answered < COUNT) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int end = events[i].data.fd;
      char byte;
      if (recv(end, &byte, 1, 0) != 1) die("recv");
      if (ends[end] == SERVER) {
        byte++;
        if (send(end, &byte, 1, 0) != 1) die("send");
      } else {
        if (byte != (char)(end + 1)) die("another's byte");
        answered++;
      }
    }
  }
  printf("%d answered\n", answered);
  long used = before - free_memory();

  for (int end = 0; end < (int)limit.rlim_cur; end++)
    if (ends[end] == CLIENT) close(end);
  int closed = 0;
  while (closed < COUNT) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (recv(events[i].data.fd, &(char){0}, 1, 0) != 0) die("recv");
      closed += close(events[i].data.fd) == 0;
    }
  }
  printf("%d closed\n", closed);
  printf("memory: %ld KiB, and %ld KiB of it afterwards\n", used, before - free_memory());
}
