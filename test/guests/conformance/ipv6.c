// Sockets of IPv6 on the loopback interface: options, both versions on one socket, what names an interface.
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static union address v6(const char *text, int port, int scope) {
  union address address = {.v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_scope_id = scope}};
  inet_pton(AF_INET6, text, &address.v6.sin6_addr);
  return address;
}

static union address v4(const char *text, int port) {
  union address address = {.v4 = {.sin_family = AF_INET, .sin_port = port}};
  inet_pton(AF_INET, text, &address.v4.sin_addr);
  return address;
}

static socklen_t length_of(const union address *address) {
  return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

static void show(const char *what, const union address *address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address->any.sa_family == AF_INET6) inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof text);
  if (address->any.sa_family == AF_INET) inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof text);
  int scope = address->any.sa_family == AF_INET6 ? (int)address->v6.sin6_scope_id : 0;
  printf("%s: family %d, %s, scope %d\n", what, address->any.sa_family, text, scope);
}

static int bind_to(int socket, union address address) { return bind(socket, &address.any, length_of(&address)); }
static int connect_to(int socket, union address address) { return connect(socket, &address.any, length_of(&address)); }
static int send_to(int socket, union address address) {
  return sendto(socket, "x", 1, 0, &address.any, length_of(&address));
}

static int port_of(int socket) {
  union address address;
  socklen_t length = sizeof address;
  getsockname(socket, &address.any, &length);
  return address.v6.sin6_port;
}

static int stream(void) { return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static int datagram(void) { return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0); }

static int number(int socket, int level, int name) {
  int value = -99;
  socklen_t length = sizeof value;
  return getsockopt(socket, level, name, &value, &length) ? -errno : value;
}

static int set(int socket, int level, int name, int value) {
  return setsockopt(socket, level, name, &value, sizeof value);
}

static void options(int socket) {
  VALUE(number(socket, IPPROTO_IPV6, IPV6_V6ONLY));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MULTICAST_LOOP));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_TCLASS));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_RECVHOPLIMIT));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_RECVTCLASS));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_DONTFRAG));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MTU));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_RECVERR));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
  VALUE(number(socket, IPPROTO_IP, IP_TTL));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -2));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_TCLASS, 0x20));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_TCLASS));
  VALUE(number(socket, IPPROTO_IP, IP_TOS));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_TCLASS, 256));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  VALUE(number(socket, IPPROTO_IPV6, IPV6_V6ONLY));
  SHOW(set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0));
  SHOW(set(socket, IPPROTO_IPV6, 9999, 1));
}

static void both_versions(void) {
  char buffer[16];
  union address end;
  socklen_t length = sizeof end;
  int dual = stream(), only = stream(), four = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(bind_to(dual, v6("::", 0, 0)));
  int port = port_of(dual);
  SHOW(set(dual, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  SHOW(listen(dual, 5));
  SHOW(bind_to(four, v4("127.0.0.1", port)));
  SHOW(set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  SHOW(bind_to(only, v6("::", port, 0)));
  SHOW(bind_to(only, v6("::", 0, 0)));
  SHOW(listen(only, 5));
  SHOW(bind_to(four, v4("0.0.0.0", port_of(only))));

  int client = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect_to(client, v4("127.0.0.1", port)));
  int server = accept(dual, &end.any, &length);
  VALUE(length);
  show("accepted", &end);
  SHOW(getsockname(server, &end.any, &length));
  show("its own end", &end);
  close(client);
  close(server);
  client = stream();
  SHOW(connect_to(client, v6("::ffff:127.0.0.1", port, 0)));
  SHOW(getpeername(client, &end.any, &length));
  show("mapped", &end);
  close(client);
  client = stream();
  SHOW(connect_to(client, v6("::", port, 0)));
  SHOW(getpeername(client, &end.any, &length));
  show("unspecified", &end);
  SHOW(getsockname(client, &end.any, &length));
  show("from", &end);
  close(client);
  client = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect_to(client, v4("127.0.0.1", port_of(only))));
  close(client);
  client = stream();
  SHOW(set(client, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  SHOW(connect_to(client, v6("::ffff:127.0.0.1", port, 0)));
  SHOW(connect_to(client, v6("::1", port_of(only), 0)));
  server = accept(only, NULL, NULL);
  SHOW(write(client, "six", 3));
  SHOW(read(server, buffer, sizeof buffer));
  SHOW(connect_to(four, v6("::1", port, 0)));
  close(client), close(server), close(dual), close(only), close(four);
}

// With a socket of its own for each call: Linux remembers the interface of one that fails.
static int with_stream(int (*call)(int, union address), union address address) {
  int socket = stream(), result = call(socket, address), error = errno;
  close(socket);
  errno = error;
  return result;
}

static void interfaces(void) {
  SHOW(with_stream(bind_to, v6("fe80::1", 0, 0)));
  SHOW(with_stream(bind_to, v6("fe80::1", 0, 9999)));
  SHOW(with_stream(bind_to, v6("fe80::1", 0, 1)));
  SHOW(with_stream(bind_to, v6("2001:db8::1", 0, 0)));
  SHOW(with_stream(bind_to, v6("ff02::1", 0, 0)));
  SHOW(with_stream(bind_to, v4("127.0.0.1", 0)));
  SHOW(with_stream(connect_to, v6("fe80::1", 80, 0)));
  SHOW(with_stream(connect_to, v6("ff02::1", 80, 0)));
  SHOW(with_stream(connect_to, v6("ff0e::1", 80, 0)));
  union address loopback = v6("::1", 0, 0);
  int socket = stream();
  SHOW(bind(socket, &loopback.any, 23));
  SHOW(bind(socket, &loopback.any, 24));
  close(socket);
  socket = datagram();
  SHOW(connect_to(socket, v6("fe80::1", 80, 0)));
  close(socket);
}

static void datagrams(void) {
  static char large[70000];
  union address from;
  int receiver = datagram(), sender = datagram(), on = 1;
  SHOW(bind_to(receiver, v6("::", 0, 0)));
  int port = port_of(receiver);
  SHOW(setsockopt(receiver, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on));
  SHOW(setsockopt(receiver, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on));
  SHOW(setsockopt(receiver, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on));
  SHOW(set(sender, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
  SHOW(set(sender, IPPROTO_IPV6, IPV6_TCLASS, 0x48));
  SHOW(send_to(sender, v6("::1", port, 0)));
  SHOW(send_to(sender, v6("::ffff:127.0.0.1", port, 0)));
  for (int count = 0; count < 2; count++) {
    char control[256], byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
    message.msg_control = control, message.msg_controllen = sizeof control;
    SHOW(recvmsg(receiver, &message, 0));
    show("from", &from);
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != IPPROTO_IPV6) continue;
      if (part->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (void *)CMSG_DATA(part);
        char text[INET6_ADDRSTRLEN];
        printf("to %s by %d\n", inet_ntop(AF_INET6, &info->ipi6_addr, text, sizeof text), info->ipi6_ifindex);
      } else
        printf("control %d: %d\n", part->cmsg_type, *(int *)CMSG_DATA(part));
    }
  }
  union address to = v6("::1", port, 0);
  SHOW(sendto(sender, large, 65527, 0, &to.any, sizeof to.v6));
  SHOW(recv(receiver, large, sizeof large, 0));
  SHOW(sendto(sender, large, 65528, 0, &to.any, sizeof to.v6));
  SHOW(sendto(sender, large, 70000, 0, &to.any, sizeof to.v6));
  close(receiver);
  SHOW(connect_to(sender, to));
  SHOW(send(sender, "x", 1, 0));
  SHOW(send(sender, "x", 1, 0));
  SHOW(set(sender, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  close(sender);
}

int main(void) {
  setbuf(stdout, NULL);
  SHOW(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
  int socket = stream();
  puts("a stream's options");
  options(socket);
  close(socket);
  puts("a datagram's options");
  socket = datagram();
  options(socket);
  close(socket);
  both_versions();
  interfaces();
  datagrams();
  return 0;
}
