// IPv6 beyond the machine: the addresses that it has, and streams and datagrams to the ports of a host, which echo.
#include "../conformance/show.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

enum { LENGTH = 300000, DATAGRAM = 1400 };
static unsigned char sent[LENGTH], received[LENGTH + 1];

static void show_file(const char *path, const char *with) {
  char line[512];
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (strstr(line, with)) printf("%s: %s", path, line);
  if (file) fclose(file);
}

// Shows the addresses of the card, once there is one that reaches beyond the link.
static void show_addresses(void) {
  char text[INET6_ADDRSTRLEN];
  for (int tries = 0; tries < 500; tries++) {
    struct ifaddrs *all, *one;
    int reaches = 0;
    if (getifaddrs(&all)) perror("getifaddrs");
    for (int print = 0; print < 2; print++) {
      for (one = all; one; one = one->ifa_next) {
        struct sockaddr_in6 *address = (void *)one->ifa_addr, *mask = (void *)one->ifa_netmask;
        if (!address || address->sin6_family != AF_INET6 || strcmp(one->ifa_name, "eth0")) continue;
        reaches |= !IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr);
        if (!print) continue;
        int bits = 0;
        while (bits < 128 && mask->sin6_addr.s6_addr[bits / 8] >> (7 - bits % 8) & 1) bits++;
        inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
        printf("%s/%d scope %u\n", text, bits, address->sin6_scope_id);
      }
      if (!reaches) break;
    }
    freeifaddrs(all);
    if (reaches) return;
    usleep(10000);
  }
  printf("no address\n");
}

static void show_end(const char *what, int result, const struct sockaddr_in6 *end) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &end->sin6_addr, text, sizeof text);
  printf("%s: %d [%s]:%s scope %u\n", what, result, text, end->sin6_port ? "port" : "0", end->sin6_scope_id);
}

static void stream(const struct sockaddr_in6 *host) {
  struct sockaddr_in6 end;
  socklen_t length = sizeof end;
  int connection = socket(AF_INET6, SOCK_STREAM, 0);
  SHOW(connect(connection, (const void *)host, sizeof *host));
  show_end("getsockname", getsockname(connection, (void *)&end, &length), &end);
  show_end("getpeername", getpeername(connection, (void *)&end, &length), &end);
  show_file("/proc/net/tcp6", " 01 ");
  for (size_t at = 0; at < LENGTH;) {
    ssize_t count = write(connection, sent + at, LENGTH - at);
    if (count <= 0) break;
    at += count;
  }
  SHOW(shutdown(connection, SHUT_WR));
  size_t total = 0;
  for (ssize_t count; total < sizeof received && (count = read(connection, received + total, sizeof received - total)) > 0;)
    total += count;
  printf("echoed: %zu bytes, %s\n", total, memcmp(sent, received, LENGTH) ? "others" : "the same");
  close(connection);
}

static void datagram(const struct sockaddr_in6 *host) {
  int port = socket(AF_INET6, SOCK_DGRAM, 0);
  struct timeval limit = {10, 0};
  setsockopt(port, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  SHOW(connect(port, (const void *)host, sizeof *host));
  SHOW(send(port, sent, DATAGRAM, 0));
  memset(received, 0, sizeof received);
  SHOW(recv(port, received, sizeof received, 0));
  printf("datagram: %s\n", memcmp(sent, received, DATAGRAM) ? "others" : "the same");
  close(port);
}

int main(int count, char **arguments) {
  setbuf(stdout, NULL);
  if (count < 3) return 2;
  for (size_t at = 0; at < LENGTH; at++) sent[at] = at * 7 + at / 251;
  show_addresses();
  show_file("/proc/net/if_inet6", "eth0");
  show_file("/proc/net/ipv6_route", "eth0");
  show_file("/proc/net/igmp6", "eth0");
  struct sockaddr_in6 host = {.sin6_family = AF_INET6};
  inet_pton(AF_INET6, "fec0::2", &host.sin6_addr);
  host.sin6_port = htons(atoi(arguments[1]));
  stream(&host);
  host.sin6_port = htons(atoi(arguments[2]));
  datagram(&host);
  return 0;
}
