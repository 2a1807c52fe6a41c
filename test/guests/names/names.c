// How an application finds names: what the kernel puts into /etc, through the C library, from the first instruction on.
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void show(const char *path) {
  char text[4096] = "";
  FILE *file = fopen(path, "r");
  if (file) {
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
  }
  printf("[%s]\n%s", path, text);
}

static void put(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file)) {
    perror(path);
    exit(1);
  }
}

static void resolve(const char *name) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
  char text[INET_ADDRSTRLEN] = "";
  int error = getaddrinfo(name, "80", &hints, &list);
  if (error) {
    printf("%s: %s\n", name, gai_strerror(error));
    return;
  }
  inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text, sizeof text);
  printf("%s: %s\n", name, text);
  freeaddrinfo(list);
}

static atomic_int queries;

// A name server that answers every question with 192.0.2.7.
static void *serve(void *argument) {
  int port = *(int *)argument;
  for (;;) {
    unsigned char message[512];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t size = recvfrom(port, message, sizeof message - 16, 0, (void *)&from, &length);
    if (size < 12) continue;
    atomic_fetch_add(&queries, 1);
    // One answer: the name of the question, type A, class IN, one minute, four bytes.
    static const unsigned char answer[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    size_t end = 12;
    while (end < (size_t)size && message[end]) end += message[end] + 1;
    end += 5;
    message[2] |= 0x80, message[3] = 0x80;
    message[7] = 1, message[11] = 0;
    memcpy(message + end, answer, sizeof answer);
    sendto(port, message, end + sizeof answer, 0, (void *)&from, length);
  }
  return NULL;
}

int main(void) {
  setbuf(stdout, NULL);
  show("/etc/resolv.conf");
  show("/etc/hosts");
  show("/etc/hostname");
  res_init();
  printf("servers: %d, first %s\n", _res.nscount, inet_ntoa(_res.nsaddr_list[0].sin_addr));

  int port = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  pthread_t server;
  if (bind(port, (void *)&here, sizeof here) || pthread_create(&server, NULL, serve, &port)) {
    perror("name server");
    return 1;
  }
  put("/etc/resolv.conf", "nameserver 127.0.0.1\n");
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  resolve("localhost");
  resolve(name);
  printf("queries: %d\n", queries);
  resolve("example.test");
  printf("queries: %d\n", queries);

  put("/etc/hosts.new", "192.0.2.8\tother.test\n");
  if (rename("/etc/hosts.new", "/etc/hosts")) perror("rename");
  resolve("other.test");
  show("/etc/hosts");
  return 0;
}
