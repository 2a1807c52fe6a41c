// What may be done where: the root, and the file systems that the image asks for.
#include "../conformance/show.h"
#include <sys/statvfs.h>

static void show(const char *folder) {
  struct stat status;
  struct statvfs system;
  if (stat(folder, &status) || statvfs(folder, &system)) {
    printf("%s: %s\n", folder, strerrorname_np(errno));
    return;
  }
  char path[256];
  snprintf(path, sizeof path, "%s/made", folder);
  int file = open(path, O_WRONLY | O_CREAT, 0755);
  printf("%s: mode %o, owner %d:%d, %llu bytes,%s%s%s%s, %s\n", folder, status.st_mode & 07777, status.st_uid,
         status.st_gid, (unsigned long long)system.f_blocks * system.f_frsize, system.f_flag & ST_RDONLY ? " ro" : "",
         system.f_flag & ST_NOEXEC ? " noexec" : "", system.f_flag & ST_NOSUID ? " nosuid" : "",
         system.f_flag & ST_NODEV ? " nodev" : "", file < 0 ? strerrorname_np(errno) : "writable");
  if (file >= 0) close(file);
}

int main(int argc, char **argv) {
  setbuf(stdout, NULL);
  for (int i = 1; i < argc; i++) show(argv[i]);
  char line[512];
  FILE *table = fopen("/proc/self/mountinfo", "r");
  while (table && fgets(line, sizeof line, table)) fputs(line, stdout);
  return 0;
}
