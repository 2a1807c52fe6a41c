// What programs learn of the network and its interfaces.
#include "show.h"
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

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

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  files();
  links();
  return 0;
}
