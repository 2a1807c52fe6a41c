// What the file of a program gives who runs it: set-user-ID and set-group-ID bits, capabilities. And what
// `PR_SET_NO_NEW_PRIVS` leaves of that.
#include "show.h"
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

// Of what every container's root has.
#define HELD (1u << CAP_NET_BIND_SERVICE | 1u << CAP_CHOWN)

static int tell(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  unsigned real, effective, saved, group, effective_group, saved_group;
  syscall(SYS_capget, &header, data);
  getresuid(&real, &effective, &saved);
  getresgid(&group, &effective_group, &saved_group);
  printf("  user %u %u %u, group %u %u %u, ", real, effective, saved, group, effective_group, saved_group);
  printf("effective %x, permitted %x, inheritable %x, ambient %d, AT_SECURE %ld, dumpable %d\n", data[0].effective & HELD,
         data[0].permitted & HELD, data[0].inheritable & HELD,
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0), getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
  return 0;
}

enum { PLAIN, NO_MORE = 1, INHERITABLE = 2, AMBIENT = 4, ROOT = 8, UNBOUND = 16 };

static void run(const char *what, const char *path, int how) {
  printf("%s:\n", what);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    if (how & UNBOUND) prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE);
    if (!(how & ROOT)) {
      prctl(PR_SET_KEEPCAPS, 1);
      if (setresgid(100, 100, 100) || setresuid(1000, 1000, 1000)) _exit(1);
      if (how & (INHERITABLE | AMBIENT))
        data[0].permitted = data[0].effective = data[0].inheritable = 1 << CAP_NET_BIND_SERVICE;
      if (syscall(SYS_capset, &header, data)) _exit(2);
      if (how & AMBIENT) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
    }
    if (how & NO_MORE) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    execl(path, path, "tell", NULL);
    printf("  %s\n", strerrorname_np(errno));
    fflush(stdout);
    _exit(1);
  }
  waitpid(child, NULL, 0);
}

static void make(const char *path, unsigned owner, unsigned group, mode_t mode) {
  int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
  char bytes[65536];
  ssize_t length;
  while ((length = read(from, bytes, sizeof bytes)) > 0) write(to, bytes, length);
  close(from);
  close(to);
  if (chown(path, owner, group) || chmod(path, mode)) perror(path);
}

static long give(const char *path, unsigned flags, unsigned permitted, unsigned inheritable) {
  struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | flags, .data = {{permitted, inheritable}}};
  return setxattr(path, "security.capability", &data, sizeof data, 0);
}

static void set_ids(void) {
  make("set-user", 7, 8, 04755);
  make("set-group", 7, 8, 02755);
  make("both", 7, 8, 06755);
  make("not executable by the group", 7, 8, 02745);
  make("root's", 0, 0, 04755);
  run("set-user-ID", "./set-user", PLAIN);
  run("set-user-ID, by root", "./set-user", ROOT);
  run("set-user-ID, no more", "./set-user", NO_MORE);
  run("set-user-ID, ambient", "./set-user", AMBIENT);
  run("set-group-ID", "./set-group", PLAIN);
  run("set-group-ID, no more", "./set-group", NO_MORE);
  run("both", "./both", PLAIN);
  run("set-group-ID that locks", "./not executable by the group", PLAIN);
  run("root's", "./root's", PLAIN);
  run("root's, no more", "./root's", NO_MORE);
  run("ambient", "./plain", AMBIENT);
  // A script's bits do not count.
  int script = open("script", O_CREAT | O_WRONLY, 0700);
  dprintf(script, "#!./plain script\n");
  close(script);
  chown("script", 7, 8);
  chmod("script", 06755);
  run("a script", "./script", PLAIN);
}

static void capabilities(void) {
  unsigned bind = 1 << CAP_NET_BIND_SERVICE;
  make("given", 0, 0, 0755);
  SHOW(give("given", VFS_CAP_FLAGS_EFFECTIVE, bind, 0));
  run("+ep", "./given", PLAIN);
  run("+ep, no more", "./given", NO_MORE);
  run("+ep, by root", "./given", ROOT);
  run("+ep, ambient", "./given", AMBIENT);
  run("+ep, ambient, no more", "./given", AMBIENT | NO_MORE);
  run("+ep, out of bounds", "./given", UNBOUND);
  SHOW(give("given", 0, bind, 0));
  run("+p", "./given", PLAIN);
  run("+p, out of bounds", "./given", UNBOUND);
  SHOW(give("given", VFS_CAP_FLAGS_EFFECTIVE, 0, bind));
  run("+ei", "./given", PLAIN);
  run("+ei, inheritable", "./given", INHERITABLE);
  chmod("given", 04755);
  SHOW(give("given", VFS_CAP_FLAGS_EFFECTIVE, bind, 0));
  run("+ep and root's", "./given", PLAIN);
  struct vfs_ns_cap_data data = {.magic_etc = VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE, .data = {{bind, 0}}};
  SHOW(setxattr("plain", "security.capability", &data, sizeof data, 0));
  run("revision 3", "./plain", PLAIN);
  data.rootid = 1000;
  SHOW(setxattr("plain", "security.capability", &data, sizeof data, 0));
  run("of another root", "./plain", PLAIN);
  SHOW(removexattr("plain", "security.capability"));
  run("removed", "./plain", PLAIN);
  // What is none is refused.
  SHOW(setxattr("plain", "security.capability", &data, 8, 0));
  data.magic_etc = 7 << 24;
  SHOW(setxattr("plain", "security.capability", &data, sizeof data, 0));
}

static void no_more(void) {
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  char text[4096] = {0};
  int file = open("/proc/self/status", O_RDONLY);
  read(file, text, sizeof text - 1);
  close(file);
  VALUE(strstr(text, "NoNewPrivs:\t1") != NULL);
  fflush(stdout);
  if (fork() == 0) {
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
}

// Who becomes another is not dumped, and not told of its parent's end, unless it asks for that anew.
static void as_another(void) {
  fflush(stdout);
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    int signal = 0;
#define SHOW_AFTER(call)                                                                                               \
  SHOW(call);                                                                                                          \
  prctl(PR_GET_PDEATHSIG, &signal);                                                                                    \
  printf("%d %d\n", prctl(PR_GET_DUMPABLE), signal)
    SHOW_AFTER(setresuid(1000, 0, 0));
    SHOW_AFTER(setegid(100));
    SHOW_AFTER(prctl(PR_SET_DUMPABLE, 1));
    SHOW_AFTER(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SHOW_AFTER(seteuid(1000));
    fflush(stdout);
    execl("plain", "plain", "tell", NULL);
    _exit(1);
  }
  wait(NULL);
}

int main(int argc, char **argv) {
  (void)argv;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1) return tell();
  enter_scratch();
  chmod(".", 0755);
  make("plain", 0, 0, 0755);
  set_ids();
  capabilities();
  as_another();
  no_more();
}
