// What programs learn of the network, its interfaces and their peers, and messages to groups that stay in the machine.
#include "show.h"
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <sys/wait.h>

static void show_file(const char *path) {
  char text[256];
  int file = open(path, O_RDONLY);
  ssize_t length = read(file, text, sizeof text - 1);
  if (length < 0)
    printf("%s: %s\n", path, strerrorname_np(errno));
  else
    printf("%s: %.*s", path, (int)length, text);
  close(file);
}

static void files(void) {
  show_file("/proc/sys/net/ipv6/bindv6only");
  show_file("/proc/sys/net/ipv6/conf/all/disable_ipv6");
  show_file("/proc/sys/net/ipv6/conf/default/disable_ipv6");
  show_file("/proc/sys/net/ipv6/conf/lo/disable_ipv6");
  static const char *const names[] = {"addr_len", "address",   "broadcast", "carrier", "dormant",      "duplex", "flags", "ifindex",
                                      "iflink",   "operstate", "mtu",       "speed",   "tx_queue_len", "type",   "uevent"};
  for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/lo/%s", names[at]);
    show_file(path);
  }
}

static void ethtool(int descriptor, const char *name, void *command) {
  struct ifreq request = {.ifr_data = command};
  strcpy(request.ifr_name, name);
  printf("%s %#x: ", name, *(unsigned *)command);
  SHOW(ioctl(descriptor, SIOCETHTOOL, &request));
}

static void links(void) {
  int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
  ethtool(descriptor, "lo", &link);
  VALUE(link.data);
  ethtool(descriptor, "lo", &(struct ethtool_cmd){.cmd = ETHTOOL_GSET});
  ethtool(descriptor, "lo", &(struct ethtool_link_settings){.cmd = ETHTOOL_GLINKSETTINGS});
  ethtool(descriptor, "none", &(struct ethtool_cmd){.cmd = ETHTOOL_GSET});
  close(descriptor);
}

static void show_bytes(const char *what, const void *bytes, size_t length) {
  printf("%s:", what);
  for (size_t at = 0; at < length; at++) printf(" %02x", ((const unsigned char *)bytes)[at]);
  printf("\n");
}

// Asks for one message, or a dump, and shows the fixed part of the answers with the attributes below a number that hold no time or user.
static void ask(int kind, int flags, const void *body, size_t length, size_t fixed) {
  char buffer[16384];
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct nlmsghdr *header = (void *)buffer;
  *header = (struct nlmsghdr){NLMSG_LENGTH(length), kind, NLM_F_REQUEST | flags, 1, 0};
  memcpy(NLMSG_DATA(header), body, length);
  int descriptor = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  sendto(descriptor, buffer, header->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel);
  for (int done = 0; !done;) {
    int size = recv(descriptor, buffer, sizeof buffer, 0);
    for (header = (void *)buffer; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
      done |= header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR || !(header->nlmsg_flags & NLM_F_MULTI);
      printf("%d -> %d\n", kind, header->nlmsg_type);
      if (header->nlmsg_type == NLMSG_ERROR) VALUE(((struct nlmsgerr *)NLMSG_DATA(header))->error);
      if (header->nlmsg_type < NLMSG_MIN_TYPE) continue;
      show_bytes("  fixed", NLMSG_DATA(header), fixed);
      struct rtattr *attribute = (void *)((char *)NLMSG_DATA(header) + fixed);
      int rest = NLMSG_PAYLOAD(header, fixed);
      char name[32];
      for (int wanted = 1; wanted < RTA_MARK; wanted++)
        for (struct rtattr *at = attribute, *end = (void *)((char *)attribute + rest); at < end;
             at = (void *)((char *)at + RTA_ALIGN(at->rta_len)))
          if (at->rta_type == wanted && (kind != RTM_GETROUTE || (wanted != RTA_CACHEINFO && wanted != RTA_PRIORITY))) {
            snprintf(name, sizeof name, "  attribute %d", wanted);
            show_bytes(name, RTA_DATA(at), RTA_PAYLOAD(at));
          }
    }
  }
  close(descriptor);
}

static void route(int domain, const char *destination) {
  struct {
    struct rtmsg message;
    struct rtattr attribute;
    unsigned char address[16];
  } request = {.message = {.rtm_family = domain}};
  size_t length = domain == AF_INET ? 4 : 16;
  inet_pton(domain, destination, request.address);
  request.attribute = (struct rtattr){RTA_LENGTH(length), RTA_DST};
  request.message.rtm_dst_len = length * 8;
  printf("route to %s\n", destination);
  ask(RTM_GETROUTE, 0, &request, sizeof request - 16 + length, sizeof request.message);
}

static void netlink(void) {
  route(AF_INET, "127.0.0.1");
  route(AF_INET, "127.3.2.1");
  route(AF_INET6, "::1");
  // Whoever watches devices hears of none here.
  int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  VALUE(events >= 0);
  SHOW(bind(events, (struct sockaddr *)&(struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_groups = 1}, sizeof(struct sockaddr_nl)));
  int protocol = -1;
  socklen_t size = sizeof protocol;
  SHOW(getsockopt(events, SOL_SOCKET, SO_PROTOCOL, &protocol, &size));
  VALUE(protocol);
  char byte;
  SHOW(recv(events, &byte, 1, 0));
  close(events);
}

// A member of a group on the loopback interface.
static int member(const struct sockaddr_in *group) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(descriptor, SOL_IP, IP_PKTINFO, &on, sizeof on);
  SHOW(bind(descriptor, (const struct sockaddr *)group, sizeof *group));
  struct group_req request = {.gr_interface = 1};
  memcpy(&request.gr_group, group, sizeof *group);
  SHOW(setsockopt(descriptor, SOL_IP, MCAST_JOIN_GROUP, &request, sizeof request));
  return descriptor;
}

static void show_message(int descriptor) {
  char text[16] = "", control[64];
  struct sockaddr_in from = {0};
  struct iovec vector = {text, sizeof text};
  struct msghdr message = {&from, sizeof from, &vector, 1, control, sizeof control, 0};
  SHOW(recvmsg(descriptor, &message, 0));
  struct in_pktinfo *info = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
  printf("%s from %s", text, inet_ntoa(from.sin_addr));
  printf(" to %s by %d\n", inet_ntoa(info->ipi_addr), info->ipi_ifindex);
}

// Members of a group in one machine hear each other, and the sender itself.
static void groups(void) {
  struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(27391)};
  inet_pton(AF_INET, "239.77.3.4", &group.sin_addr);
  int one = member(&group), other = member(&group), on = -1, off = 0;
  socklen_t length = sizeof on;
  SHOW(getsockopt(one, SOL_IP, IP_MULTICAST_LOOP, &on, &length));
  VALUE(on);
  struct ip_mreqn interface = {.imr_address.s_addr = htonl(INADDR_LOOPBACK)};
  struct in_addr named = {1};
  length = sizeof named;
  SHOW(getsockopt(one, SOL_IP, IP_MULTICAST_IF, &named, &length));
  VALUE(ntohl(named.s_addr));
  SHOW(setsockopt(one, SOL_IP, IP_MULTICAST_IF, &interface, 2));
  SHOW(setsockopt(one, SOL_IP, IP_MULTICAST_IF, &interface, sizeof interface));
  SHOW(getsockopt(one, SOL_IP, IP_MULTICAST_IF, &named, &length));
  printf("%s\n", inet_ntoa(named));
  SHOW(sendto(one, "to all", 6, 0, (struct sockaddr *)&group, sizeof group));
  show_message(one);
  show_message(other);
  // This interface brings back what it is given, whatever the socket wants.
  SHOW(setsockopt(one, SOL_IP, IP_MULTICAST_LOOP, &off, sizeof off));
  SHOW(sendto(one, "again", 5, 0, (struct sockaddr *)&group, sizeof group));
  show_message(other);
  struct group_req request = {.gr_interface = 1};
  memcpy(&request.gr_group, &group, sizeof group);
  SHOW(setsockopt(other, SOL_IP, MCAST_LEAVE_GROUP, &request, sizeof request));
  close(one), close(other);
  int six = socket(AF_INET6, SOCK_DGRAM, 0), index = 1;
  length = sizeof index;
  SHOW(setsockopt(six, SOL_IPV6, IPV6_MULTICAST_IF, &index, sizeof index));
  index = 0;
  SHOW(getsockopt(six, SOL_IPV6, IPV6_MULTICAST_IF, &index, &length));
  VALUE(index);
  close(six);
}

static int peer_process(int descriptor) {
  struct ucred peer = {0};
  socklen_t length = sizeof peer;
  SHOW(getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length));
  return peer.pid;
}

// Reads what there is, with who wrote it: this process, its child, or nobody.
static void show_writer(int descriptor, int child) {
  char text[16] = "", control[64];
  struct iovec vector = {text, sizeof text};
  struct msghdr message = {NULL, 0, &vector, 1, control, sizeof control, 0};
  SHOW(recvmsg(descriptor, &message, 0));
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  struct ucred *writer = (void *)(header ? CMSG_DATA(header) : NULL);
  printf("%s by %s", text, !writer ? "?" : writer->pid == child ? "child" : writer->pid == getpid() ? "this" : "nobody");
  printf(" %d\n", writer ? writer->uid == (writer->pid ? getuid() : 65534) : -1);
}

// Sockets tell of processes that call, not of those that made them.
static void credentials(void) {
  struct sockaddr_un name = {AF_UNIX, "\0conformance-network"};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), connected = socket(AF_UNIX, SOCK_STREAM, 0);
  int pair[2], step[2], on = 1, status;
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(pipe(step));
  SHOW(bind(listener, (struct sockaddr *)&name, sizeof name));
  SHOW(listen(listener, 5));
  int child = fork();
  if (!child) {
    char byte;
    connect(connected, (struct sockaddr *)&name, sizeof name);
    write(pair[1], "c", 1);
    read(step[0], &byte, 1);
    write(pair[1], "child", 5);
    _exit(0);
  }
  int accepted = accept(listener, NULL, NULL);
  VALUE(peer_process(accepted) == child);
  VALUE(peer_process(connected) == getpid());
  VALUE(peer_process(listener) == getpid());
  VALUE(peer_process(pair[0]) == getpid());
  gid_t groups[64];
  socklen_t length = sizeof groups;
  SHOW(getsockopt(pair[0], SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0 && length / sizeof *groups == (size_t)getgroups(0, NULL));
  int lone = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(getsockopt(lone, SOL_SOCKET, SO_PEERGROUPS, groups, &length));
  // While no end wants to know who writes, pieces of different writers are read in one.
  char text[8] = "";
  recv(pair[0], text, 1, MSG_PEEK);
  write(pair[1], "t", 1);
  SHOW(recv(pair[0], text, sizeof text, 0));
  write(pair[1], "before", 6);
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  write(step[1], "", 1);
  waitpid(child, &status, 0);
  write(pair[1], "this", 4);
  show_writer(pair[0], child);
  show_writer(pair[0], child);
  show_writer(pair[0], child);
  close(lone), close(accepted), close(connected), close(listener), close(pair[0]), close(pair[1]), close(step[0]), close(step[1]);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  files();
  links();
  netlink();
  groups();
  credentials();
  return 0;
}
