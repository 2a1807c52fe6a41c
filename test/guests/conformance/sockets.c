// Sockets on the loopback interface and in the file system.
#include "show.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static volatile sig_atomic_t broken;
static void on_pipe(int signal) { broken = signal; }

static void show_ready(const char *what, int descriptor, short events) {
  struct pollfd poll_one = {descriptor, events, 0};
  poll(&poll_one, 1, 500);
  printf("%s: %x\n", what, poll_one.revents);
}

static int number_option(int descriptor, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  getsockopt(descriptor, level, name, &value, &length);
  return value;
}

static void streams(int domain) {
  char buffer[64];
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address = {0};
  socklen_t length = domain == AF_INET ? sizeof address.v4 : sizeof address.v6;
  address.any.sa_family = domain;
  if (domain == AF_INET)
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    address.v6.sin6_addr = in6addr_loopback;
  int listener = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  SHOW(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  VALUE(number_option(listener, SOL_SOCKET, SO_TYPE));
  VALUE(number_option(listener, SOL_SOCKET, SO_ERROR));
  VALUE(number_option(listener, SOL_SOCKET, SO_ACCEPTCONN));
  SHOW(accept(listener, NULL, NULL));
  int most = 16, negative = -1;
  SHOW(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &most, sizeof most));
  SHOW(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &negative, sizeof negative));
  VALUE(number_option(listener, IPPROTO_TCP, TCP_FASTOPEN));
  SHOW(bind(listener, &address.any, length));
  SHOW(bind(listener, &address.any, length));
  SHOW(listen(listener, 5));
  VALUE(number_option(listener, SOL_SOCKET, SO_ACCEPTCONN));
  SHOW(getsockname(listener, &address.any, &length));
  VALUE(address.v4.sin_port != 0);
  int taken = socket(domain, SOCK_STREAM, 0);
  SHOW(bind(taken, &address.any, length));
  close(taken);
  fcntl(listener, F_SETFL, O_NONBLOCK);
  SHOW(accept(listener, NULL, NULL));
  int client = socket(domain, SOCK_STREAM, 0);
  SHOW(getpeername(client, &address.any, &length));
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  SHOW(recv(client, buffer, 1, 0));
  SHOW(connect(client, &address.any, length));
  SHOW(connect(client, &address.any, length));
  SHOW(recv(client, buffer, 1, MSG_ERRQUEUE));
  show_ready("listener", listener, POLLIN);
  int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  VALUE(server >= 0);
  VALUE((fcntl(server, F_GETFL) & O_NONBLOCK) != 0);
  SHOW(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  VALUE(number_option(client, IPPROTO_TCP, TCP_NODELAY));
  SHOW(setsockopt(client, IPPROTO_TCP, TCP_FASTOPEN, &most, sizeof most));
  SHOW(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
  SHOW(setsockopt(client, SOL_SOCKET, 9999, &on, sizeof on));
  SHOW(recv(server, buffer, 10, 0));
  show_ready("server", server, POLLIN | POLLOUT | POLLRDHUP);
  SHOW(send(client, "hello", 5, 0));
  show_ready("server with data", server, POLLIN | POLLOUT);
  int available = 0;
  SHOW(ioctl(server, FIONREAD, &available));
  VALUE(available);
  SHOW(recv(server, buffer, 3, MSG_PEEK));
  SHOW(recv(server, buffer, 3, 0));
  SHOW(read(server, buffer, 10));
  struct timeval limit = {0, 30000};
  SHOW(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  SHOW(recv(client, buffer, 1, 0));
  SHOW(write(server, "abcdef", 6));
  SHOW(recv(client, buffer, 6, MSG_WAITALL));
  SHOW(shutdown(client, SHUT_WR));
  show_ready("server at the end", server, POLLIN | POLLRDHUP);
  SHOW(read(server, buffer, 10));
  signal(SIGPIPE, on_pipe);
  SHOW(write(client, "x", 1));
  VALUE(broken == SIGPIPE);
  broken = 0;
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  VALUE(broken);
  SHOW(write(server, "still", 5));
  SHOW(read(client, buffer, 10));
  SHOW(shutdown(server, SHUT_WR));
  show_ready("client at the end", client, POLLIN | POLLRDHUP);
  SHOW(read(client, buffer, 10));
  SHOW(shutdown(client, 9));
  SHOW(close(server));
  SHOW(close(client));
  SHOW(close(listener));
  client = socket(domain, SOCK_STREAM, 0);
  SHOW(connect(client, &address.any, length));
  close(client);
  client = socket(domain, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int result = connect(client, &address.any, length);
  VALUE(result == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
  close(client);
}

// What came before a reset is read, then the reset, then the end.
static void reset(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, own, from = {0};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (struct sockaddr *)&address, length);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &length);
  SHOW(connect(client, (struct sockaddr *)&address, length));
  int server = accept(listener, NULL, NULL);
  SHOW(send(client, "request", 7, 0));
  SHOW(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
  SHOW(close(client));
  struct pollfd poller = {.fd = server, .events = POLLIN | POLLRDHUP};
  SHOW(poll(&poller, 1, 1000));
  char buffer[8];
  SHOW(getpeername(server, (struct sockaddr *)&own, &length));
  SHOW(recv(server, buffer, 4, 0));
  SHOW(recv(server, buffer, 4, 0));
  SHOW(recv(server, buffer, 4, 0));
  SHOW(recv(server, buffer, 4, 0));
  close(server);
  // One that is over before it is accepted has still come from somewhere.
  client = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(connect(client, (struct sockaddr *)&address, length));
  getsockname(client, (struct sockaddr *)&own, &length);
  SHOW(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
  SHOW(close(client));
  server = accept(listener, (struct sockaddr *)&from, &length);
  VALUE(from.sin_family == AF_INET && from.sin_port == own.sin_port);
  VALUE(length);
  SHOW(recv(server, buffer, 4, 0));
  close(server);
  close(listener);
}

// Connects and ends first, from a port that the system chose at `bind`, or at `connect`. What is left of it keeps its port for a while.
static int visit(const struct sockaddr_in *address, int binds) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  int client = socket(AF_INET, SOCK_STREAM, 0);
  int failed = (binds && bind(client, (struct sockaddr *)&any, sizeof any)) ||
               connect(client, (struct sockaddr *)address, sizeof *address);
  close(client);
  return failed;
}

// The system chooses no port from which there was just a connection to the same peer.
static void visits(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), failed = 0;
  bind(listener, (struct sockaddr *)&address, length);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &length);
  for (int count = 0; count < 800; count++) {
    if (visit(&address, count >= 300))
      failed++;
    else
      close(accept(listener, NULL, NULL));
  }
  VALUE(failed);
  close(listener);
}

static long now_and_then(long since) { return (milliseconds() - since) / 100; }

// A stream is ready, and a call that waits returns, when there is as much as was asked for; a call that does not wait takes what there is.
static void low_water(int ends[2]) {
  struct timeval limit = {0, 300000};
  char buffer[64];
  int least = 10;
  SHOW(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  SHOW(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least));
  VALUE(number_option(ends[1], SOL_SOCKET, SO_RCVLOWAT));
  SHOW(send(ends[0], "1234", 4, 0));
  SHOW(recv(ends[1], buffer, 2, 0));
  SHOW(recv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT));
  SHOW(send(ends[0], "12345", 5, 0));
  long began = milliseconds();
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  VALUE(now_and_then(began) >= 2);
  SHOW(send(ends[0], "12345", 5, 0));
  began = milliseconds();
  SHOW(read(ends[1], buffer, sizeof buffer));
  VALUE(now_and_then(began) >= 2);
  SHOW(send(ends[0], "1234", 4, 0));
  if (!fork()) {
    usleep(100000);
    send(ends[0], "12345678", 8, 0);
    _exit(0);
  }
  SHOW(readv(ends[1], (struct iovec[]){{buffer, 6}, {buffer + 6, 20}}, 2));
  wait(NULL);
  SHOW(send(ends[0], "123", 3, 0));
  SHOW(read(ends[1], buffer, 3));
  SHOW(send(ends[0], "123456789012", 12, 0));
  show_ready("as much as is wanted", ends[1], POLLIN);
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  close(ends[0]);
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  close(ends[1]);
}

// Less than is wanted does not make a stream ready, but its end does.
static void too_little(void) {
  int ends[2], least = 10;
  connect_both(ends);
  SHOW(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least));
  SHOW(send(ends[0], "1234", 4, 0));
  show_ready("too little", ends[1], POLLIN);
  SHOW(send(ends[0], "567890", 6, 0));
  show_ready("enough", ends[1], POLLIN);
  char buffer[8];
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  show_ready("too little again", ends[1], POLLIN);
  close(ends[0]);
  show_ready("the end", ends[1], POLLIN);
  close(ends[1]);
}

// Where a datagram was sent to is told with it.
static void sent_to(int domain) {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}, got6;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4)}, got4;
  void *address = domain == AF_INET ? (void *)&v4 : (void *)&v6;
  socklen_t length = domain == AF_INET ? sizeof v4 : sizeof v6;
  int end = socket(domain, SOCK_DGRAM, 0), on = 1, level = domain == AF_INET ? SOL_IP : SOL_IPV6;
  int name = domain == AF_INET ? IP_RECVORIGDSTADDR : 74;
  SHOW(bind(end, address, length));
  getsockname(end, address, &length);
  SHOW(setsockopt(end, level, name, &on, sizeof on));
  VALUE(number_option(end, level, name));
  SHOW(sendto(end, "abc", 3, 0, address, length));
  char data[8], control[128];
  struct iovec vector = {data, sizeof data};
  struct msghdr message = {NULL, 0, &vector, 1, control, sizeof control, 0};
  SHOW(recvmsg(end, &message, 0));
  struct cmsghdr *told = CMSG_FIRSTHDR(&message);
  VALUE(told != NULL);
  if (told) {
    VALUE(told->cmsg_level == level && told->cmsg_type == name);
    VALUE(told->cmsg_len);
    memcpy(&got4, CMSG_DATA(told), sizeof got4), memcpy(&got6, CMSG_DATA(told), sizeof got6);
    VALUE(domain == AF_INET ? memcmp(&got4, &v4, sizeof v4) : memcmp(&got6, &v6, sizeof v6));
  }
  close(end);
}

// The value below a name in `/proc/net/snmp`, of a line of names and the one that follows.
static long counted(const char *protocol, const char *name) {
  char names[1024], values[1024], *at_name, *at_value, *one, *other;
  FILE *file = fopen("/proc/net/snmp", "r");
  long value = -1;
  while (value < 0 && fgets(names, sizeof names, file) && fgets(values, sizeof values, file)) {
    if (strncmp(names, protocol, strlen(protocol))) continue;
    at_name = names, at_value = values;
    while ((one = strsep(&at_name, " \n")) && (other = strsep(&at_value, " \n")))
      if (!strcmp(one, name)) value = atol(other);
  }
  fclose(file);
  return value;
}

// Others on the machine count too: at least what happens here.
static void counts(void) {
  const struct { const char *protocol, *name; long least; } all[] = {
      {"Tcp:", "ActiveOpens", 2}, {"Tcp:", "PassiveOpens", 1}, {"Tcp:", "AttemptFails", 1}, {"Tcp:", "EstabResets", 1},
      {"Tcp:", "InSegs", 6},      {"Tcp:", "OutSegs", 6},      {"Tcp:", "OutRsts", 2},      {"Udp:", "InDatagrams", 5},
      {"Udp:", "NoPorts", 1},     {"Udp:", "OutDatagrams", 6},
  };
  enum { COUNT = sizeof all / sizeof *all };
  long before[COUNT];
  for (int i = 0; i < COUNT; ++i)
    before[i] = counted(all[i].protocol, all[i].name);
  int ends[2], nobody = socket(AF_INET, SOCK_STREAM, 0), end = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in free_port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, own = free_port;
  socklen_t length = sizeof own;
  connect_both(ends);
  setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
  close(ends[0]), close(ends[1]);
  free_port.sin_port = htons(1);
  SHOW(connect(nobody, (void *)&free_port, sizeof free_port));
  bind(end, (void *)&own, sizeof own);
  getsockname(end, (void *)&own, &length);
  char byte;
  for (int i = 0; i < 5; ++i)
    sendto(end, "x", 1, 0, (void *)&own, sizeof own), recv(end, &byte, 1, 0);
  sendto(end, "x", 1, 0, (void *)&free_port, sizeof free_port);
  for (int i = 0; i < COUNT; ++i)
    printf("%s %s %s\n", all[i].protocol, all[i].name, counted(all[i].protocol, all[i].name) - before[i] >= all[i].least ? "counts" : "does not count");
  close(nobody), close(end);
}

// What a receiver learns of a sender that has no name: nothing, not even its family.
static void nameless(void) {
  for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
    int pair[2];
    socketpair(AF_UNIX, type, 0, pair);
    struct sockaddr_un from = {0};
    socklen_t length = sizeof from;
    char byte;
    SHOW(send(pair[0], "abc", 3, 0));
    SHOW(recvfrom(pair[1], &byte, 1, MSG_PEEK, (struct sockaddr *)&from, &length));
    VALUE(length);
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    SHOW(recvmsg(pair[1], &message, 0));
    VALUE(message.msg_namelen);
    length = sizeof from;
    SHOW(getpeername(pair[1], (struct sockaddr *)&from, &length));
    VALUE(length);
    close(pair[0]);
    close(pair[1]);
  }
}

// A message may say its class itself, in place of what the socket sends with.
static void classes(int domain, int level, int name, int receives) {
  struct sockaddr_storage address = {.ss_family = domain};
  socklen_t length = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  if (domain == AF_INET)
    ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
  int receiver = socket(domain, SOCK_DGRAM, 0), sender = socket(domain, SOCK_DGRAM, 0), on = 1, own = 0x10;
  bind(receiver, (struct sockaddr *)&address, length);
  getsockname(receiver, (struct sockaddr *)&address, &length);
  SHOW(setsockopt(receiver, level, receives, &on, sizeof on));
  SHOW(setsockopt(sender, level, name, &own, sizeof own));
  SHOW(connect(sender, (struct sockaddr *)&address, length));
  VALUE(number_option(sender, level, domain == AF_INET ? IP_MTU : IPV6_MTU));
  char byte = 0, control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {&byte, 1};
  for (int given = 0; given < 2; given++) {
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = given ? sizeof control : 0};
    struct cmsghdr *header = (void *)control;
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), level, name};
    memcpy(CMSG_DATA(header), &(int){0x20}, sizeof(int));
    SHOW(sendmsg(sender, &message, 0));
    message.msg_controllen = sizeof control;
    SHOW(recvmsg(receiver, &message, 0));
    header = CMSG_FIRSTHDR(&message);
    VALUE(header->cmsg_type);
    VALUE(*CMSG_DATA(header));
  }
  close(sender);
  close(receiver);
}

static void datagrams(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
  socklen_t length = sizeof address;
  char buffer[64];
  int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  SHOW(bind(receiver, (struct sockaddr *)&address, length));
  SHOW(getsockname(receiver, (struct sockaddr *)&address, &length));
  SHOW(listen(receiver, 1));
  SHOW(recv(receiver, buffer, 1, MSG_ERRQUEUE));
  SHOW(send(sender, "x", 1, 0));
  SHOW(recv(sender, buffer, 1, 0));
  SHOW(sendto(sender, "first", 5, 0, (struct sockaddr *)&address, length));
  SHOW(sendto(sender, "", 0, 0, (struct sockaddr *)&address, length));
  SHOW(connect(sender, (struct sockaddr *)&address, length));
  SHOW(send(sender, "third", 5, 0));
  length = sizeof from;
  SHOW(recvfrom(receiver, buffer, 3, MSG_TRUNC, (struct sockaddr *)&from, &length));
  VALUE(length);
  VALUE(from.sin_family == AF_INET && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  SHOW(recv(receiver, buffer, 64, 0));
  struct iovec vectors[2] = {{buffer, 2}, {buffer + 8, 1}};
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2, .msg_name = &from, .msg_namelen = sizeof from};
  SHOW(recvmsg(receiver, &message, 0));
  VALUE(message.msg_flags == MSG_TRUNC);
  struct mmsghdr several[3] = {0};
  for (int index = 0; index < 3; index++) {
    several[index].msg_hdr.msg_iov = vectors;
    several[index].msg_hdr.msg_iovlen = 1;
  }
  SHOW(sendmmsg(sender, several, 3, 0));
  SHOW(recvmmsg(receiver, several, 3, MSG_WAITFORONE, NULL));
  VALUE(several[2].msg_len);
  SHOW(recv(receiver, buffer, 1, MSG_DONTWAIT));
  close(receiver);
  SHOW(send(sender, "x", 1, 0));
  SHOW(send(sender, "x", 1, 0));
  close(sender);
}

// A datagram to where nobody listens: what the socket is told of its loss, and of one that it sent before.
static void refused(int domain, int level, int name) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } nobody = {0}, to = {0};
  nobody.any.sa_family = domain;
  if (domain == AF_INET)
    nobody.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    nobody.v6.sin6_addr = in6addr_loopback;
  socklen_t size = domain == AF_INET ? sizeof nobody.v4 : sizeof nobody.v6;
  int taken = socket(domain, SOCK_DGRAM, 0), sender = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1, off = 0;
  bind(taken, &nobody.any, size);
  getsockname(taken, &nobody.any, &size);
  close(taken);
  SHOW(sendto(sender, "untold", 6, 0, &nobody.any, size));
  show_ready("untold", sender, POLLIN | POLLOUT);
  SHOW(setsockopt(sender, level, name, &on, sizeof on));
  SHOW(sendto(sender, "lost", 4, 0, &nobody.any, size));
  show_ready("told", sender, POLLIN | POLLOUT);
  SHOW(sendto(sender, "refused", 7, 0, &nobody.any, size));
  SHOW(sendto(sender, "longer", 6, 0, &nobody.any, size));
  for (int left = 3; left > 0; left--) {
    char text[5] = "", control[128];
    struct iovec vector = {text, 4};
    struct msghdr message = {&to, sizeof to, &vector, 1, control, sizeof control, 0};
    SHOW(recvmsg(sender, &message, MSG_ERRQUEUE));
    if (left == 1) break;
    printf("%s, %d bytes of address, the same: %d, flags %#x\n", text, message.msg_namelen, memcmp(&to, &nobody, size), message.msg_flags);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header) continue;
    struct sock_extended_err *error = (void *)CMSG_DATA(header);
    printf("level %d, type %d, %zu bytes\n", header->cmsg_level, header->cmsg_type, header->cmsg_len);
    printf("%u %u %u %u %u %u %u\n", error->ee_errno, error->ee_origin, error->ee_type, error->ee_code, error->ee_pad, error->ee_info,
           error->ee_data);
    struct sockaddr *offender = SO_EE_OFFENDER(error);
    printf("from family %d:", offender->sa_family);
    for (size_t at = 2; at < size; at++) printf(" %02x", ((unsigned char *)offender)[at]);
    printf("\n");
  }
  show_ready("afterwards", sender, POLLIN | POLLOUT);
  SHOW(sendto(sender, "again", 5, 0, &nobody.any, size));
  SHOW(setsockopt(sender, level, name, &off, sizeof off));
  SHOW(recv(sender, &to, sizeof to, MSG_ERRQUEUE));
  SHOW(recv(sender, &to, sizeof to, 0));
  SHOW(recv(sender, &to, sizeof to, 0));
  close(sender);
}

// What one datagram comes with beside its bytes.
static void show_control(int descriptor) {
  char byte, control[256];
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  SHOW(recvmsg(descriptor, &message, MSG_DONTWAIT));
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    printf("  %d %d, %zu bytes", header->cmsg_level, header->cmsg_type, header->cmsg_len);
    struct scm_timestamping *times = (void *)CMSG_DATA(header);
    if (header->cmsg_type == SCM_TIMESTAMPING)
      printf(": by software within a minute %d, by hardware %ld", labs(time(NULL) - times->ts[0].tv_sec) < 60, times->ts[2].tv_sec);
    if (header->cmsg_type == SO_RXQ_OVFL) printf(": some were lost %d", *(unsigned *)CMSG_DATA(header) > 0);
    printf("\n");
  }
}

// Times of datagrams, and how many of them were lost.
static void told_beside(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int end = socket(AF_INET, SOCK_DGRAM, 0), on = 1, small = 4000, unknown = 1 << 30;
  bind(end, (struct sockaddr *)&address, length);
  getsockname(end, (struct sockaddr *)&address, &length);
  connect(end, (struct sockaddr *)&address, length);
  int times[] = {SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, 0};
  for (size_t at = 0; at < 3; at++) {
    int value[2];
    SHOW(setsockopt(end, SOL_SOCKET, SO_TIMESTAMPING, &times[at], sizeof(int)));
    SHOW(getsockopt(end, SOL_SOCKET, SO_TIMESTAMPING, value, &(socklen_t){sizeof value}));
    VALUE(value[0]);
    // Linux begins to take times a moment later.
    usleep(50000);
    send(end, "x", 1, 0);
    show_control(end);
  }
  SHOW(setsockopt(end, SOL_SOCKET, SO_TIMESTAMPING, &unknown, sizeof unknown));
  VALUE(number_option(end, SOL_SOCKET, SO_RXQ_OVFL));
  SHOW(setsockopt(end, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on));
  VALUE(number_option(end, SOL_SOCKET, SO_RXQ_OVFL));
  SHOW(setsockopt(end, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
  send(end, "x", 1, 0);
  show_control(end);
  char bytes[512] = "";
  for (int count = 0; count < 100; count++) send(end, bytes, sizeof bytes, 0);
  show_control(end);
  while (recv(end, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
  send(end, "x", 1, 0);
  show_control(end);
  SHOW(setsockopt(end, SOL_SOCKET, SO_BUSY_POLL, &(int){-1}, sizeof(int)));
  long rate = 1L << 40, was = 0;
  SHOW(setsockopt(end, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate));
  SHOW(getsockopt(end, SOL_SOCKET, SO_MAX_PACING_RATE, &was, &(socklen_t){sizeof was}));
  VALUE(was);
  SHOW(setsockopt(end, SOL_SOCKET, SO_MAX_PACING_RATE, &(int){-1}, sizeof(int)));
  SHOW(getsockopt(end, SOL_SOCKET, SO_MAX_PACING_RATE, &was, &(socklen_t){sizeof was}));
  VALUE(was);
  close(end);
}

static void unix_sockets(void) {
  char buffer[64];
  int pair[2];
  SHOW(socketpair(AF_INET, SOCK_STREAM, 0, pair));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  SHOW(read(pair[0], buffer, 1));
  SHOW(write(pair[0], "pair", 4));
  SHOW(read(pair[1], buffer, 10));
  int passed[2];
  if (pipe(passed)) return;
  char control[CMSG_SPACE(2 * sizeof(int))] = {0};
  struct iovec vector = {"f", 1};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(header), passed, sizeof passed);
  SHOW(sendmsg(pair[0], &message, 0));
  close(passed[0]);
  memset(control, 0, sizeof control);
  vector = (struct iovec){buffer, 10};
  SHOW(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
  header = CMSG_FIRSTHDR(&message);
  VALUE(header->cmsg_len == CMSG_LEN(sizeof passed));
  VALUE(message.msg_flags == MSG_CMSG_CLOEXEC);
  int received[2];
  memcpy(received, CMSG_DATA(header), sizeof received);
  SHOW(write(passed[1], "through", 7));
  SHOW(read(received[0], buffer, 10));
  VALUE(fcntl(received[0], F_GETFD));
  struct ucred peer;
  socklen_t length = sizeof peer;
  SHOW(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
  VALUE(peer.pid == getpid());
  close(pair[0]);
  show_ready("peer closed", pair[1], POLLIN | POLLRDHUP);
  SHOW(read(pair[1], buffer, 1));
  close(pair[1]);

  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  length = sizeof address;
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(connect(client, (struct sockaddr *)&address, length));
  SHOW(bind(listener, (struct sockaddr *)&address, length));
  SHOW(connect(client, (struct sockaddr *)&address, length));
  SHOW(listen(listener, 1));
  struct stat status;
  SHOW(stat("socket", &status));
  printf("%o\n", status.st_mode);
  SHOW(open("socket", O_RDWR));
  SHOW(connect(client, (struct sockaddr *)&address, length));
  struct sockaddr_un from;
  length = sizeof from;
  int server = accept(listener, (struct sockaddr *)&from, &length);
  VALUE(server >= 0);
  VALUE(length);
  length = sizeof from;
  SHOW(getpeername(client, (struct sockaddr *)&from, &length));
  VALUE(length);
  SHOW(write(client, "path", 4));
  SHOW(read(server, buffer, 10));
  int second = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(bind(second, (struct sockaddr *)&address, sizeof address));
  close(listener);
  SHOW(connect(second, (struct sockaddr *)&address, sizeof address));
  SHOW(unlink("socket"));
  memcpy(address.sun_path, "\0name", 5);
  int abstract = socket(AF_UNIX, SOCK_DGRAM, 0);
  length = sizeof address.sun_family + 5;
  SHOW(bind(abstract, (struct sockaddr *)&address, length));
  int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(sendto(sender, "datagram", 8, 0, (struct sockaddr *)&address, length));
  SHOW(recv(abstract, buffer, 4, 0));
  SHOW(recv(abstract, buffer, 4, MSG_DONTWAIT));
  int packets[2];
  SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
  SHOW(write(packets[0], "one", 3));
  SHOW(write(packets[0], "two", 3));
  SHOW(read(packets[1], buffer, 64));
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  SHOW(socket(AF_UNIX, 99, 0));
  SHOW(socket(99, SOCK_STREAM, 0));
  SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  SHOW(bind(0, NULL, 0) == -1);
  SHOW(listen(100, 1));
  streams(AF_INET);
  reset();
  visits();
  int ends[2];
  connect_both(ends);
  low_water(ends);
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  low_water(ends);
  too_little();
  sent_to(AF_INET);
  counts();
  nameless();
  datagrams();
  classes(AF_INET, SOL_IP, IP_TOS, IP_RECVTOS);
  classes(AF_INET6, SOL_IPV6, IPV6_TCLASS, IPV6_RECVTCLASS);
  refused(AF_INET, SOL_IP, IP_RECVERR);
  refused(AF_INET6, SOL_IPV6, IPV6_RECVERR);
  told_beside();
  unix_sockets();
  return 0;
}
