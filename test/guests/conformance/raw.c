// Raw sockets on the loopback interface: echoes of ICMP and ICMPv6, a protocol that nobody else speaks, headers that the program writes.
#include "show.h"
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

// Of `linux/icmp.h`, which does not go together with the C library's.
enum { UNUSED_PROTOCOL = 253, ICMP_FILTER = 1 };

static uint16_t sum(const void *bytes, size_t length) {
  uint32_t total = 0;
  const uint8_t *at = bytes;
  for (size_t i = 0; i < length; ++i)
    total += i % 2 ? at[i] : at[i] << 8;
  while (total >> 16)
    total = (total & 0xffff) + (total >> 16);
  return ~total;
}

static struct sockaddr_in local(uint32_t address) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
}

static void limit(int end) {
  struct timeval seconds = {5, 0};
  setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &seconds, sizeof seconds);
}

// Its line in a table of `/proc/net`: both ends and the state.
static void show_line(const char *table, int end) {
  struct stat status;
  char line[512], ends[2][64];
  unsigned long inode;
  unsigned state;
  FILE *file = fopen(table, "r");
  fstat(end, &status);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, " %*d: %63s %63s %x %*s %*s %*s %*s %*s %lu", ends[0], ends[1], &state, &inode) == 4 && inode == status.st_ino)
      printf("%s: %s %s %x\n", table, ends[0], ends[1], state);
  fclose(file);
}

static void made(void) {
  WORKS(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  SHOW(socket(AF_INET, SOCK_RAW, 0));
  SHOW(socket(AF_INET, SOCK_RAW, 999));
  SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6));
  SHOW(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP));
  SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_ICMP));
}

// Another program's echoes come to such a socket too: those of this one have a number of its own.
static void echo(void) {
  struct {
    struct icmphdr head;
    char data[24];
  } request = {.head = {.type = ICMP_ECHO, .un.echo = {htons(getpid()), htons(7)}}, .data = "what comes back"};
  uint8_t packet[256];
  struct sockaddr_in to = local(INADDR_LOOPBACK), from = {0};
  socklen_t length = sizeof from;
  int end = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), on = 1, ttl = 9;
  limit(end);
  SHOW(getsockname(end, (void *)&from, &length));
  VALUE(ntohs(from.sin_port));
  SHOW(send(end, &request, sizeof request, 0));
  uint32_t filter = ~(1u << ICMP_ECHOREPLY);
  SHOW(setsockopt(end, SOL_RAW, ICMP_FILTER, &filter, sizeof filter));
  length = sizeof filter, filter = 0;
  SHOW(getsockopt(end, SOL_RAW, ICMP_FILTER, &filter, &length));
  VALUE(filter);
  VALUE(length);
  SHOW(setsockopt(end, SOL_IP, IP_TTL, &ttl, sizeof ttl));
  SHOW(setsockopt(end, SOL_IP, IP_RECVTTL, &on, sizeof on));
  SHOW(setsockopt(end, SOL_IP, IP_RETOPTS, &on, sizeof on));
  request.head.checksum = htons(sum(&request, sizeof request));
  SHOW(sendto(end, &request, sizeof request, 0, (void *)&to, sizeof to));
  ssize_t size;
  length = sizeof from;
  do
    size = recvfrom(end, packet, sizeof packet, 0, (void *)&from, &length);
  while (size >= 28 && memcmp(packet + 24, &request.head.un, 4));
  VALUE(size);
  struct iphdr *ip = (void *)packet;
  VALUE(ip->version);
  VALUE(ip->ihl);
  VALUE(ntohs(ip->tot_len));
  VALUE(ip->protocol);
  VALUE(ip->ttl);
  VALUE(ntohl(ip->saddr) == INADDR_LOOPBACK && ntohl(ip->daddr) == INADDR_LOOPBACK);
  VALUE(sum(packet, 20));
  VALUE(sum(packet + 20, size - 20));
  VALUE(packet[20]);
  VALUE(memcmp(packet + 28, request.data, sizeof request.data));
  VALUE(from.sin_family == AF_INET && from.sin_port == 0 && ntohl(from.sin_addr.s_addr) == INADDR_LOOPBACK);
  close(end);
}

static void echo_v6(void) {
  struct {
    struct icmp6_hdr head;
    char data[24];
  } request = {.head = {.icmp6_type = ICMP6_ECHO_REQUEST}, .data = "what comes back"}, answer;
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}, from;
  socklen_t length = sizeof from;
  int end = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), at = 2;
  show_line("/proc/net/raw6", end);
  limit(end);
  struct icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
  SHOW(setsockopt(end, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter));
  memset(&filter, 0, sizeof filter), length = sizeof filter;
  SHOW(getsockopt(end, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, &length));
  VALUE(ICMP6_FILTER_WILLPASS(ICMP6_ECHO_REPLY, &filter));
  VALUE(ICMP6_FILTER_WILLPASS(ICMP6_ECHO_REQUEST, &filter));
  SHOW(setsockopt(end, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof at));
  request.head.icmp6_id = htons(getpid());
  SHOW(sendto(end, &request, sizeof request, 0, (void *)&to, sizeof to));
  ssize_t size;
  length = sizeof from;
  do
    size = recvfrom(end, &answer, sizeof answer, 0, (void *)&from, &length);
  while (size >= 8 && answer.head.icmp6_id != request.head.icmp6_id);
  VALUE(size);
  VALUE(answer.head.icmp6_type);
  VALUE(answer.head.icmp6_cksum != 0);
  VALUE(memcmp(answer.data, request.data, sizeof request.data));
  VALUE(from.sin6_port);
  VALUE(IN6_IS_ADDR_LOOPBACK(&from.sin6_addr));
  close(end);
}

static void others(void) {
  uint8_t packet[64], written[24] = {[0] = 0x45, [8] = 33, [9] = UNUSED_PROTOCOL, [20] = 'a', 'b', 'c', 'd'};
  struct sockaddr_in here = local(INADDR_LOOPBACK + 1), to = local(INADDR_LOOPBACK + 2), from;
  socklen_t length = sizeof from;
  int one = socket(AF_INET, SOCK_RAW, UNUSED_PROTOCOL), other = socket(AF_INET, SOCK_RAW, UNUSED_PROTOCOL), on = 1, value = 9;
  int writer = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  limit(one);
  SHOW(bind(one, (void *)&here, sizeof here));
  SHOW(bind(one, (void *)&here, sizeof here));
  show_line("/proc/net/raw", one);
  SHOW(connect(other, (void *)&here, sizeof here));
  SHOW(getpeername(other, (void *)&from, &length));
  SHOW(send(other, "1234", 4, 0));
  SHOW(recv(one, packet, sizeof packet, 0));
  VALUE(packet[9]);
  VALUE(memcmp(packet + 20, "1234", 4));
  // As its message says, for once.
  struct iovec vector = {"1234", 4};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } class = {.head = {CMSG_LEN(sizeof(int)), SOL_IP, IP_TOS}};
  *(int *)CMSG_DATA(&class.head) = 0x20;
  SHOW(sendmsg(other, &(struct msghdr){NULL, 0, &vector, 1, &class, sizeof class, 0}, 0));
  SHOW(recv(one, packet, sizeof packet, 0));
  VALUE(packet[1]);
  // It is for another address.
  SHOW(sendto(other, "5678", 4, 0, (void *)&to, sizeof to));
  SHOW(recv(one, packet, sizeof packet, MSG_DONTWAIT));
  SHOW(send(other, packet, 65535, 0));
  length = sizeof value;
  SHOW(getsockopt(one, SOL_IP, IP_HDRINCL, &value, &length));
  VALUE(value);
  SHOW(getsockopt(writer, SOL_IP, IP_HDRINCL, &value, &length));
  VALUE(value);
  memcpy(written + 12, &here.sin_addr, 4), memcpy(written + 16, &here.sin_addr, 4);
  SHOW(sendto(writer, written, sizeof written, 0, (void *)&here, sizeof here));
  length = sizeof from;
  SHOW(recvfrom(one, packet, sizeof packet, 0, (void *)&from, &length));
  VALUE(packet[8]);
  VALUE(ntohs(((struct iphdr *)packet)->tot_len));
  VALUE(memcmp(packet + 20, "abcd", 4));
  VALUE(from.sin_addr.s_addr == here.sin_addr.s_addr);
  SHOW(sendto(writer, written, 8, 0, (void *)&here, sizeof here));
  SHOW(setsockopt(other, SOL_IP, IP_HDRINCL, &on, sizeof on));
  SHOW(send(other, written, sizeof written, 0));
  SHOW(recv(one, packet, sizeof packet, 0));
  SHOW(setsockopt(other, SOL_RAW, ICMP_FILTER, &on, sizeof on));
  SHOW(listen(one, 1));
  SHOW(shutdown(one, SHUT_WR));
  close(one), close(other), close(writer);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  made();
  echo();
  echo_v6();
  others();
  fflush(stdout);
  if (!seteuid(12345)) SHOW(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}
