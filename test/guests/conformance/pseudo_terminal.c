// Pseudo-terminals: their files and numbers, both ends' readiness and end, packet mode, job control and the controlling terminal.
#include "show.h"
#include <dirent.h>
#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>

static char buffer[10000];

static void show_ready(const char *name, int side) {
  struct pollfd ready = {side, POLLIN | POLLOUT | POLLPRI, 0};
  int count = poll(&ready, 1, 0);
  printf("%s: %d %x\n", name, count, ready.revents);
}

static void print_bytes(const char *name, const char *bytes, long count) {
  printf("%s %ld: ", name, count);
  for (long i = 0; i < count; i++) printf(bytes[i] < ' ' ? "\\%02x" : "%c", bytes[i]);
  putchar('\n');
}

// Waits for what is to come on one side, and shows it. A read of a terminal gives at most a line.
static void show_read(const char *name, int side) {
  struct pollfd ready = {side, POLLIN, 0};
  poll(&ready, 1, 5000);
  long count = read(side, buffer, sizeof buffer);
  if (count < 0)
    printf("%s: -1 %s\n", name, strerrorname_np(errno));
  else
    print_bytes(name, buffer, count);
}

static void set_raw(int terminal) {
  struct termios settings;
  tcgetattr(terminal, &settings);
  cfmakeraw(&settings);
  tcsetattr(terminal, TCSANOW, &settings);
}

static int listed(const char *path, const char *name) {
  int found = 0;
  DIR *directory = opendir(path);
  for (struct dirent *entry; directory && (entry = readdir(directory));)
    found += strcmp(entry->d_name, name) == 0 && entry->d_type == DT_CHR;
  closedir(directory);
  return found;
}

static void files(void) {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  WORKS(master);
  int number = -1, locked = -1;
  SHOW(ioctl(master, TIOCGPTN, &number));
  SHOW(ioctl(master, TIOCGPTLCK, &locked));
  VALUE(locked);
  char path[32], name[16];
  snprintf(path, sizeof path, "/dev/pts/%d", number);
  snprintf(name, sizeof name, "%d", number);
  SHOW(strcmp(ptsname(master), path));
  SHOW(open(path, O_RDWR | O_NOCTTY));
  SHOW(grantpt(master));
  SHOW(unlockpt(master));
  int slave = open(path, O_RDWR | O_NOCTTY);
  WORKS(slave);
  struct stat status;
  SHOW(fstat(slave, &status));
  VALUE(S_ISCHR(status.st_mode));
  VALUE(major(status.st_rdev));
  VALUE((int)minor(status.st_rdev) == number);
  VALUE((int)status.st_ino - number);
  VALUE(status.st_uid == getuid());
  VALUE(status.st_size);
  SHOW(fstat(master, &status));
  printf("%d:%d\n", major(status.st_rdev), minor(status.st_rdev));
  unsigned device;
  SHOW(ioctl(slave, TIOCGDEV, &device));
  VALUE((int)device == (136 << 8 | number));
  struct statfs system;
  SHOW(fstatfs(slave, &system));
  printf("%lx\n", (long)system.f_type);
  SHOW(statfs("/dev/pts", &system));
  printf("%lx %ld %ld\n", (long)system.f_type, (long)system.f_bsize, (long)system.f_namelen);
  VALUE(listed("/dev/pts", name));
  VALUE(listed("/dev/pts", "ptmx"));
  SHOW(strcmp(ttyname(slave), path));
  char link[64] = "", shown[64];
  snprintf(shown, sizeof shown, "/proc/self/fd/%d", slave);
  SHOW(readlink(shown, link, sizeof link) == (long)strlen(path));
  SHOW(fchmod(slave, 0640));
  SHOW(fstat(slave, &status));
  printf("%o\n", status.st_mode);
  SHOW(stat(path, &status));
  printf("%o\n", status.st_mode);
  SHOW(open("/dev/pts/none", O_RDWR));
  SHOW(open("/dev/pts/01", O_RDWR));
  SHOW(open("/dev/pts/new", O_RDWR | O_CREAT, 0644));
  SHOW(mkdir("/dev/pts/new", 0755));
  SHOW(unlink(path));
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  WORKS(peer);
  VALUE(fcntl(peer, F_GETFD));
  SHOW(strcmp(ttyname(peer), path));
  SHOW(ioctl(slave, TIOCGPTN, &number));
  SHOW(ioctl(slave, TIOCGPTPEER, O_RDWR));
  int second = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), other = -1;
  SHOW(ioctl(second, TIOCGPTN, &other));
  VALUE(other == number);
  close(second);
  close(peer);
  close(slave);
  SHOW(access(path, F_OK));
  close(master);
  SHOW(access(path, F_OK));
  int again = posix_openpt(O_RDWR | O_NOCTTY);
  SHOW(ioctl(again, TIOCGPTN, &other));
  VALUE(other == number);
  close(again);
}

static void ends(void) {
  int master, slave;
  SHOW(openpty(&master, &slave, NULL, NULL, NULL) == 0);
  set_raw(slave);
  SHOW(fcntl(master, F_SETFL, O_NONBLOCK));
  show_ready("master", master);
  show_ready("slave", slave);
  SHOW(read(master, buffer, 10));
  SHOW(write(slave, "to the master", 13));
  show_ready("master", master);
  show_read("master", master);
  SHOW(write(master, "to the slave", 12));
  show_ready("slave", slave);
  show_read("slave", slave);
  SHOW(write(slave, "last words", 10));
  SHOW(close(slave));
  show_ready("master", master);
  show_read("master", master);
  show_ready("master", master);
  SHOW(read(master, buffer, 10));
  SHOW(read(master, buffer, 10));
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  show_ready("master", master);
  SHOW(read(master, buffer, 10));
  SHOW(write(slave, "again", 5));
  show_read("master", master);
  SHOW(close(slave));
  SHOW(write(master, "unheard", 7));
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  show_read("slave", slave);
  char path[32];
  strcpy(path, ptsname(master));

  // A reader, a writer and an epoll learn of the master's end.
  int events = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  SHOW(epoll_ctl(events, EPOLL_CTL_ADD, slave, &event));
  SHOW(epoll_wait(events, &event, 1, 0));
  SHOW(close(master));
  SHOW(epoll_wait(events, &event, 1, 1000));
  printf("%x\n", event.events);
  show_ready("slave", slave);
  SHOW(read(slave, buffer, 10));
  SHOW(write(slave, "x", 1));
  struct termios settings;
  SHOW(tcgetattr(slave, &settings));
  int group = getpgrp();
  SHOW(ioctl(slave, TIOCSPGRP, &group));
  VALUE(isatty(slave));
  SHOW(open(path, O_RDWR | O_NOCTTY));
  SHOW(close(slave));
  close(events);

  // Much goes through in both directions.
  SHOW(openpty(&master, &slave, NULL, NULL, NULL) == 0);
  set_raw(slave);
  for (int direction = 0; direction < 2; direction++) {
    int from = direction ? master : slave, to = direction ? slave : master;
    pid_t writer = fork();
    if (!writer) {
      for (int i = 0; i < 100000; i++) buffer[i % 10000] = i;
      for (int i = 0; i < 10; i++) write(from, buffer, sizeof buffer);
      _exit(0);
    }
    long total = 0, sum = 0, count;
    static unsigned char bytes[4096];
    while (total < 100000 && (count = read(to, bytes, sizeof bytes)) > 0) {
      for (long i = 0; i < count; i++) sum += (total + i) % 7 * bytes[i];
      total += count;
    }
    printf("%ld bytes, %ld\n", total, sum);
    waitpid(writer, NULL, 0);
  }
  close(master), close(slave);
}

static void packets(void) {
  int master, slave, on = 1;
  SHOW(openpty(&master, &slave, NULL, NULL, NULL) == 0);
  SHOW(ioctl(master, TIOCPKT, &on));
  on = 0;
  SHOW(ioctl(master, TIOCGPKT, &on));
  VALUE(on);
  SHOW(write(slave, "data", 4));
  show_read("packet", master);
  VALUE(buffer[0]);
  SHOW(tcflush(slave, TCIFLUSH));
  show_ready("master", master);
  show_read("packet", master);
  VALUE(buffer[0]);
  SHOW(tcflow(slave, TCOOFF));
  show_ready("master", master);
  SHOW(read(master, buffer, 10));
  VALUE(buffer[0]);
  SHOW(tcflow(slave, TCOON));
  SHOW(read(master, buffer, 10));
  VALUE(buffer[0]);
  on = 0;
  SHOW(ioctl(master, TIOCPKT, &on));
  SHOW(ioctl(slave, TIOCPKT, &on));
  close(master), close(slave);
}

// Waits for a child's next change.
static void show_wait(const char *name, pid_t child) {
  int status = 0;
  waitpid(child, &status, WUNTRACED);
  if (WIFSTOPPED(status))
    printf("%s: stopped by %s\n", name, sigabbrev_np(WSTOPSIG(status)));
  else if (WIFSIGNALED(status))
    printf("%s: ended by %s\n", name, sigabbrev_np(WTERMSIG(status)));
  else
    printf("%s: exit %d\n", name, WEXITSTATUS(status));
}

static void show_stat(const char *name, int group) {
  FILE *file = fopen("/proc/self/stat", "r");
  int terminal, foreground;
  fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %d %d", &terminal, &foreground);
  fclose(file);
  printf("%s: terminal %d, foreground %d\n", name, terminal == 0 ? 0 : terminal >> 8, foreground == group ? 1 : foreground);
}

static volatile sig_atomic_t caught[65];
static void note(int signal) { caught[signal]++; }
static void show_caught(void) {
  for (int signal = 1; signal < 32; signal++)
    if (caught[signal]) printf("caught %s %d\n", sigabbrev_np(signal), caught[signal]), caught[signal] = 0;
}

// The children write to the test's output; the terminal is for job control.
static void lead(int master, int slave, int go[2]) {
  SHOW(open("/dev/tty", O_RDWR));
  SHOW(setsid() == getpid());
  SHOW(open("/dev/tty", O_RDWR));
  show_stat("leader", getpgrp());
  SHOW(tcgetpgrp(slave));
  SHOW(tcgetpgrp(master));
  SHOW(ioctl(slave, TIOCSCTTY, 0));
  SHOW(ioctl(slave, TIOCSCTTY, 0));
  show_stat("leader", getpgrp());
  VALUE(tcgetpgrp(slave) == getpgrp());
  VALUE(tcgetpgrp(master) == getpgrp());
  VALUE(tcgetsid(slave) == getpid());
  int own = open("/dev/tty", O_RDWR);
  WORKS(own);
  struct stat status;
  fstat(own, &status);
  printf("%d:%d\n", major(status.st_rdev), minor(status.st_rdev));
  SHOW(strcmp(ttyname(own), "/dev/tty"));
  SHOW(tcsetpgrp(slave, -1));
  SHOW(tcsetpgrp(slave, 1 << 21));
  SHOW(tcsetpgrp(slave, getppid()) == -1);

  // Signals that are typed reach the group in the foreground.
  for (int signal = 1; signal < 32; signal++) sigaction(signal, &(struct sigaction){.sa_handler = note}, NULL);
  signal(SIGCHLD, SIG_DFL);
  int pipe_ends[2];
  pipe(pipe_ends);
  static const struct { const char *byte, *name; } typed[] = {{"\003", "INT"}, {"\034", "QUIT"}, {"\032", "TSTP"}};
  for (int i = 0; i < 3; i++) {
    printf("type %s\n", typed[i].name);
    write(master, typed[i].byte, 1);
    show_read("echo", master);
    show_caught();
  }
  // They take what was typed with them.
  write(master, "lost\003kept\n", 10);
  show_read("slave", slave);
  show_read("master", master);
  show_caught();
  struct termios settings, before;
  tcgetattr(slave, &before);
  settings = before;
  settings.c_lflag |= NOFLSH;
  tcsetattr(slave, TCSANOW, &settings);
  write(master, "kept\003 too\n", 10);
  show_read("slave", slave);
  show_caught();
  tcsetattr(slave, TCSANOW, &before);
  struct winsize size = {10, 20, 0, 0};
  SHOW(ioctl(master, TIOCSWINSZ, &size));
  show_caught();
  SHOW(ioctl(master, TIOCSWINSZ, &size));
  show_caught();
  SHOW(ioctl(master, TIOCSIG, SIGINT));
  show_caught();
  SHOW(ioctl(master, TIOCSIG, SIGUSR1));

  // A group in the background: reads stop it, writes with TOSTOP, and changes.
  for (int what = 0; what < 4; what++) {
    settings = before;
    if (what == 1) settings.c_lflag |= TOSTOP;
    tcsetattr(slave, TCSANOW, &settings);
    pid_t child = fork();
    if (!child) {
      setpgid(0, 0);
      for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
      if (what == 0) SHOW(read(slave, buffer, 100));
      if (what == 1) SHOW(write(slave, "from behind", 11));
      if (what == 2) SHOW(tcsetattr(slave, TCSANOW, &before));
      if (what == 3) SHOW(tcsetpgrp(slave, getpgrp()));
      _exit(7);
    }
    setpgid(child, child);
    show_wait("background", child);
    SHOW(tcsetpgrp(slave, child));
    VALUE(tcgetpgrp(slave) == child);
    if (what == 0) write(master, "line\n", 5);
    kill(-child, SIGCONT);
    show_wait("foreground", child);
    signal(SIGTTOU, SIG_IGN);
    SHOW(tcsetpgrp(slave, getpgrp()));
    signal(SIGTTOU, note);
  }
  tcsetattr(slave, TCSANOW, &before);

  // Who ignores the signals writes, but does not read.
  pid_t child = fork();
  if (!child) {
    setpgid(0, 0);
    signal(SIGTTIN, SIG_IGN), signal(SIGTTOU, SIG_IGN);
    SHOW(read(slave, buffer, 100));
    SHOW(tcsetattr(slave, TCSANOW, &before));
    _exit(0);
  }
  show_wait("ignores", child);

  // An orphaned group is not stopped, as nobody would continue it.
  child = fork();
  if (!child) {
    pid_t parent = getpid();
    if (!fork()) {
      setpgid(0, 0);
      while (getppid() == parent) usleep(1000);
      read(go[0], buffer, 1);
      signal(SIGTTIN, SIG_DFL), signal(SIGTSTP, SIG_DFL), signal(SIGTTOU, SIG_DFL);
      SHOW(read(slave, buffer, 100));
      SHOW(raise(SIGTSTP));
      SHOW(tcsetattr(slave, TCSANOW, &before));
      write(pipe_ends[1], "x", 1);
      _exit(0);
    }
    _exit(0);
  }
  show_wait("parent", child);
  write(go[1], "g", 1);
  SHOW(read(pipe_ends[0], buffer, 1));

  // A stopped group that becomes orphaned is hung up and goes on.
  child = fork();
  if (!child) {
    pid_t grandchild = fork();
    if (!grandchild) {
      setpgid(0, 0);
      raise(SIGSTOP);
      while (!caught[SIGHUP] || !caught[SIGCONT]) usleep(1000);
      read(go[0], buffer, 1);
      show_caught();
      write(pipe_ends[1], "x", 1);
      _exit(0);
    }
    setpgid(grandchild, grandchild);
    show_wait("grandchild", grandchild);
    _exit(0);
  }
  show_wait("parent", child);
  write(go[1], "g", 1);
  SHOW(read(pipe_ends[0], buffer, 1));

  // Giving the terminal up.
  child = fork();
  if (!child) {
    SHOW(ioctl(slave, TIOCNOTTY));
    show_stat("child", getpgrp());
    SHOW(open("/dev/tty", O_RDWR));
    _exit(0);
  }
  show_wait("child", child);
  show_stat("leader", getpgrp());
  SHOW(ioctl(slave, TIOCNOTTY));
  show_caught();
  show_stat("leader", getpgrp());
  SHOW(tcgetpgrp(master));

  // Opening one makes it the session's, unless told not to.
  close(open(ptsname(master), O_RDWR | O_NOCTTY));
  show_stat("leader", getpgrp());
  close(open(ptsname(master), O_RDWR));
  show_stat("leader", getpgrp());
  // It does not go to another session.
  child = fork();
  if (!child) {
    setsid();
    close(open(ptsname(master), O_RDWR));
    SHOW(open("/dev/tty", O_RDWR));
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    _exit(0);
  }
  show_wait("other session", child);

  // The leader's end hangs up the group in the foreground.
  pid_t group = fork();
  if (!group) {
    setpgid(0, 0);
    caught[SIGHUP] = 0;
    write(pipe_ends[1], "r", 1);
    while (!caught[SIGHUP]) usleep(1000);
    read(go[0], buffer, 1);
    show_caught();
    show_stat("left behind", getpgrp());
    SHOW(tcgetpgrp(slave));
    SHOW(open("/dev/tty", O_RDWR));
    _exit(0);
  }
  setpgid(group, group);
  read(pipe_ends[0], buffer, 1);
  signal(SIGTTOU, SIG_IGN);
  SHOW(tcsetpgrp(slave, group));
  _exit(3);
}

static void job_control(void) {
  int master, slave, done[2], go[2];
  SHOW(openpty(&master, &slave, NULL, NULL, NULL) == 0);
  pipe(done), pipe(go);
  pid_t child = fork();
  if (!child) {
    close(done[0]);
    lead(master, slave, go);
  }
  close(done[1]);
  show_wait("leader", child);
  write(go[1], "g", 1);
  // The last of its session holds the other end.
  SHOW(read(done[0], buffer, 1));
  close(done[0]);
  close(master), close(slave);

  // The master's end hangs up the leader, and the leader's the group in the foreground.
  pipe(done);
  child = forkpty(&master, NULL, NULL, NULL);
  if (!child) {
    dup2(done[1], 1);
    signal(SIGHUP, note), signal(SIGCONT, note);
    pid_t job = fork();
    if (!job) {
      setpgid(0, 0);
      while (!caught[SIGHUP] || !caught[SIGCONT]) usleep(1000);
      printf("job\n");
      show_caught();
      _exit(0);
    }
    setpgid(job, job);
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, job);
    write(2, "r", 1);
    while (!caught[SIGHUP] || !caught[SIGCONT]) usleep(1000);
    show_caught();
    SHOW(read(0, buffer, 1));
    SHOW(write(0, "x", 1));
    SHOW(open("/dev/tty", O_RDWR));
    _exit(0);
  }
  close(done[1]);
  show_read("master", master);
  close(master);
  show_wait("leader", child);
  for (long count; (count = read(done[0], buffer, sizeof buffer)) > 0;) fwrite(buffer, 1, count, stdout);
}

int main(void) {
  setbuf(stdout, NULL);
  signal(SIGTTOU, SIG_IGN);
  setsid();
  files();
  ends();
  packets();
  signal(SIGTTOU, SIG_DFL);
  job_control();
  return 0;
}
