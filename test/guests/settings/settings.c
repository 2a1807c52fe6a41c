// What root writes to /proc/sys, and what comes of it.
#include "../conformance/show.h"
#include <sys/mman.h>
#include <sys/shm.h>

static const char *read_setting(const char *name) {
  static char text[128];
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/%s", name);
  int file = open(path, O_RDONLY);
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  text[length > 0 ? length - 1 : 0] = 0;
  return text;
}

static void set(const char *name, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/%s", name);
  int file = open(path, O_WRONLY | O_TRUNC);
  ssize_t written = file < 0 ? -1 : write(file, value, strlen(value));
  printf("%s = %s: %s, is %s\n", name, value, written < 0 ? strerrorname_np(errno) : "written", read_setting(name));
  close(file);
}

// How many mappings there may be, more or less.
static int mappings(void) {
  enum { MOST = 1000 };
  char *place = mmap(NULL, MOST * 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int count = 0;
  while (count < MOST && mprotect(place + count * 8192, 4096, PROT_NONE) == 0) count++;
  munmap(place, MOST * 8192);
  return count;
}

// How many connections wait that nobody accepts.
static int backlog(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), clients[40], connected = 0;
  bind(listener, (struct sockaddr *)&address, size);
  listen(listener, 30);
  getsockname(listener, (struct sockaddr *)&address, &size);
  for (int index = 0; index < 40; index++) {
    clients[index] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(clients[index], (struct sockaddr *)&address, size);
  }
  usleep(100000);
  for (int index = 0; index < 40; index++) {
    connected += connect(clients[index], (struct sockaddr *)&address, size) == 0 || errno == EISCONN;
    close(clients[index]);
  }
  close(listener);
  return connected;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("more than 400 mappings: %d\n", mappings() > 400);
  set("vm/max_map_count", "500\n");
  printf("no more than 250 pairs of mappings: %d\n", mappings() < 250);
  set("vm/max_map_count", "262144\n");
  printf("more than 400 mappings: %d\n", mappings() > 400);
  set("vm/max_map_count", "many");
  set("vm/max_map_count", "-1");
  set("vm/max_map_count", "\n");
  set("vm/max_map_count", "1 2");
  set("vm/max_map_count", "2147483648");
  printf("more than 20 connections wait: %d\n", backlog() > 20);
  set("net/core/somaxconn", "4\n");
  printf("no more than 8 connections wait: %d\n", backlog() <= 8);
  set("kernel/shmmax", "65536");
  SHOW(shmget(IPC_PRIVATE, 65537, 0600));
  WORKS(shmget(IPC_PRIVATE, 65536, 0600));
  set("kernel/shmall", "1000000");
  set("kernel/sem", "250 32000 100 128\n");
  set("kernel/sem", "250 32000 100");
  set("kernel/pid_max", "65536");
  set("kernel/pid_max", "300");
  set("vm/overcommit_memory", "2");
  set("vm/overcommit_memory", "3");
  set("vm/swappiness", "10");
  set("fs/file-max", "2097152");
  set("kernel/threads-max", "1");
  if (setuid(1000)) return 1;
  set("vm/max_map_count", "100000");
}
