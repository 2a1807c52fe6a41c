// Asks machines for an echo, as `ping` does who may make no raw socket: over IPv4 and IPv6 those that it is told of.
#include "../conformance/show.h"
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/time.h>

static void ask(const char *text) {
  struct sockaddr_storage to = {0}, from;
  struct sockaddr_in *v4 = (void *)&to;
  struct sockaddr_in6 *v6 = (void *)&to;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) to.ss_family = AF_INET;
  else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) to.ss_family = AF_INET6;
  int is_v6 = to.ss_family == AF_INET6, on = 1;
  int end = socket(to.ss_family, SOCK_DGRAM, is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  printf("%s: socket %s\n", text, end < 0 ? strerrorname_np(errno) : "works");
  struct timeval limit = {10, 0};
  setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (is_v6)
    setsockopt(end, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
  else
    setsockopt(end, SOL_IP, IP_RECVTTL, &on, sizeof on);
  unsigned char request[40] = {is_v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, 1, 9, 9, 9, 9, 0, 5, 'd', 'a', 't', 'a'}, answer[64];
  socklen_t length = is_v6 ? sizeof *v6 : sizeof *v4;
  SHOW(sendto(end, request, 7, 0, (void *)&to, length));
  SHOW(sendto(end, request, sizeof request, 0, (void *)&to, length));
  request[1] = 0;
  SHOW(sendto(end, request, sizeof request, 0, (void *)&to, length));
  length = sizeof from;
  getsockname(end, (void *)&from, &length);
  uint16_t identifier = is_v6 ? ((struct sockaddr_in6 *)&from)->sin6_port : ((struct sockaddr_in *)&from)->sin_port;
  char control[64], shown[64] = "";
  struct iovec vector = {answer, sizeof answer};
  struct msghdr message = {&from, sizeof from, &vector, 1, control, sizeof control, 0};
  SHOW(recvmsg(end, &message, 0));
  int is_ours = identifier && !memcmp(answer + 4, &identifier, 2) && !memcmp(answer + 6, request + 6, sizeof request - 6);
  struct cmsghdr *told = CMSG_FIRSTHDR(&message);
  if (is_v6)
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, shown, sizeof shown);
  else
    inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, shown, sizeof shown);
  printf("type %d from %s, %s, hops %s\n", answer[0], shown, is_ours ? "ours" : "strange",
         told && *(int *)CMSG_DATA(told) > 0 ? "told" : "not told");
  close(end);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IONBF, 0);
  for (int i = 1; i < count; ++i)
    ask(arguments[i]);
}
