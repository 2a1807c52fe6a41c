// What /proc says of processes and sockets, as ps, ss and netstat read it.
#include "show.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char text[1 << 20];

// Reads a file; its length, or -1.
static ssize_t get(const char *format, ...) {
  char path[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  ssize_t length = 0, part;
  while ((part = read(file, text + length, sizeof text - 1 - length)) > 0) length += part;
  close(file);
  text[length] = 0;
  return length;
}

// A line of /proc/PID/status by its name.
static const char *status(pid_t pid, const char *name) {
  static char value[128];
  get("/proc/%d/status", pid);
  char *line = strstr(text, name);
  if (!line || sscanf(line + strlen(name), ": %127[^\n]", value) != 1) return "missing";
  return value;
}

struct stat_fields {
  char name[32], state;
  int parent, group, session, terminal;
  unsigned long user, system, virtual;
  long threads, resident;
  unsigned long long start;
};

static struct stat_fields stat_of(pid_t pid) {
  struct stat_fields fields = {0};
  get("/proc/%d/stat", pid);
  char *name = strchr(text, '('), *end = strrchr(text, ')');
  if (!name || !end) return fields;
  snprintf(fields.name, sizeof fields.name, "%.*s", (int)(end - name - 1), name + 1);
  sscanf(end + 2, "%c %d %d %d %d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %llu %lu %ld", &fields.state,
         &fields.parent, &fields.group, &fields.session, &fields.terminal, &fields.user, &fields.system,
         &fields.threads, &fields.start, &fields.virtual, &fields.resident);
  return fields;
}

static void wait_for_state(pid_t pid, char state) {
  for (int round = 0; round < 10000 && stat_of(pid).state != state; round++) usleep(1000);
}

static void show_process(const char *what, pid_t pid) {
  struct stat_fields fields = stat_of(pid);
  printf("%s: %s %c, parent %d, group %d, session %d, threads %ld, memory %d %d\n", what, fields.name, fields.state,
         fields.parent == getpid(), fields.group == pid, fields.session == getsid(0), fields.threads,
         fields.virtual > 0, fields.resident > 0);
  printf("  State %s\n", status(pid, "State"));
  printf("  Threads %s\n", status(pid, "Threads"));
  printf("  Pid %d", atoi(status(pid, "\nPid")) == pid);
  printf(", Tgid %d", atoi(status(pid, "Tgid")) == pid);
  printf(", PPid %d\n", atoi(status(pid, "PPid")) == getpid());
  char own[256];
  ssize_t length = get("/proc/self/cmdline");
  memcpy(own, text, sizeof own);
  printf("  cmdline %d", get("/proc/%d/cmdline", pid) == length && !memcmp(own, text, length));
  printf(" of %d\n", length > 0 && length < 256 && !text[length]);
}

static int count_entries(const char *format, pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, format, pid);
  DIR *directory = opendir(path);
  int count = 0;
  while (directory && readdir(directory)) count++;
  if (directory) closedir(directory);
  return count - 2;
}

static void *stand(void *argument) { return pause(), argument; }

static void children(char **arguments) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "a (name) of 16 and more");
    setpgid(0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, stand, NULL);
    open("/dev/null", O_RDONLY);
    chdir("/");
    pause();
  }
  // Its thread, its descriptor, and it sleeps.
  for (int round = 0; round < 10000 && count_entries("/proc/%d/task", child) != 2; round++) usleep(1000);
  wait_for_state(child, 'S');
  show_process("asleep", child);
  int descriptors = count_entries("/proc/self/fd", 0);
  printf("  task %d, fd %d\n", count_entries("/proc/%d/task", child),
         count_entries("/proc/%d/fd", child) - (descriptors - 1));
  char path[64], link[256];
  snprintf(path, sizeof path, "/proc/%d/cwd", child);
  ssize_t length = readlink(path, link, sizeof link);
  printf("  cwd %.*s\n", (int)length, link);
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  length = readlink(path, link, sizeof link - 1);
  char own[256];
  printf("  exe %d\n", length == readlink("/proc/self/exe", own, sizeof own) && !memcmp(link, own, length));
  link[length] = 0;
  get("/proc/%d/maps", child);
  printf("  maps %d %d\n", strstr(text, link) != NULL, strstr(text, "[stack]") != NULL);
  kill(child, SIGSTOP);
  wait_for_state(child, 'T');
  printf("stopped: %s\n", status(child, "State"));
  kill(child, SIGCONT);
  kill(child, SIGKILL);
  // The state alone comes before its other thread has ended; a wait comes after.
  siginfo_t ended;
  waitid(P_PID, child, &ended, WEXITED | WNOWAIT);
  show_process("zombie", child);
  waitpid(child, NULL, 0);
  VALUE(get("/proc/%d/stat", child));

  // Who has lent its memory waits as for the disk.
  fflush(stdout);
  static volatile char lender;
  child = vfork();
  if (child == 0) {
    lender = stat_of(getppid()).state;
    _exit(0);
  }
  waitpid(child, NULL, 0);
  printf("lender: %c\n", lender);

  // What a program writes over its arguments is its title, which may go on over the environment.
  size_t room = 0;
  for (int at = 0; arguments[at]; at++) room += strlen(arguments[at]) + 1;
  for (int longer = 0; longer < 2; longer++) {
    fflush(stdout);
    child = fork();
    if (child == 0) {
      memset(arguments[0], 0, room);
      if (longer) {
        memset(arguments[0], 'x', room + 2);
        arguments[0][room + 2] = 0;
      } else {
        strcpy(arguments[0], "t: w");
      }
      pause();
    }
    wait_for_state(child, 'S');
    length = get("/proc/%d/cmdline", child);
    printf("title of %zd more, %d\n", length - (ssize_t)room, strncmp(text, longer ? "xxxx" : "t: w", 4) == 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
}

// What was opened of a process that has ended and been waited for, and what its directory still leads to.
// A descriptor shows itself while it is read.
static void own_descriptor(void) {
  int number = open("/proc/self/stat", O_RDONLY);
  char path[64], line[64] = "";
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", number);
  int information = open(path, O_RDONLY);
  SHOW(dup2(information, number) == number);
  SHOW(read(number, line, sizeof line - 1) > 0);
  printf("%.*s\n", (int)strcspn(line, "\n"), line);
  VALUE(lseek(number, 0, SEEK_CUR) > 0);
  close(information), close(number);
}

static void gone(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    // It stands in what shows itself.
    chdir("/proc/self");
    pause();
  }
  wait_for_state(child, 'S');
  char path[64], byte;
  snprintf(path, sizeof path, "/proc/%d", child);
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  int stat = openat(directory, "stat", O_RDONLY), environment = openat(directory, "environ", O_RDONLY);
  int task = openat(directory, "task", O_RDONLY | O_DIRECTORY);
  SHOW(pread(stat, &byte, 1, 0));
  kill(child, SIGKILL);
  waitid(P_PID, child, NULL, WEXITED | WNOWAIT);
  SHOW(pread(stat, &byte, 1, 0));
  WORKS(readlinkat(directory, "cwd", text, sizeof text));
  WORKS(readlinkat(directory, "exe", text, sizeof text));
  waitpid(child, NULL, 0);
  SHOW(pread(stat, &byte, 1, 0));
  SHOW(pread(environment, &byte, 1, 0));
  WORKS(openat(directory, "stat", O_RDONLY));
  WORKS(openat(directory, "task", O_RDONLY));
  WORKS(readlinkat(directory, "cwd", text, sizeof text));
  WORKS(syscall(SYS_getdents64, directory, text, sizeof text));
  WORKS(syscall(SYS_getdents64, task, text, sizeof text));
}

static void times(void) {
  struct timespec now, after;
  double up = 0;
  unsigned long boot = 0, processes = 0, later = 0;
  clock_gettime(CLOCK_BOOTTIME, &now);
  get("/proc/uptime");
  sscanf(text, "%lf", &up);
  clock_gettime(CLOCK_BOOTTIME, &after);
  printf("uptime %d\n", up >= now.tv_sec - 1 && up <= after.tv_sec + 1);
  get("/proc/stat");
  sscanf(strstr(text, "btime"), "btime %lu", &boot);
  sscanf(strstr(text, "processes"), "processes %lu", &processes);
  clock_gettime(CLOCK_BOOTTIME, &now);
  long difference = (long)boot + (long)now.tv_sec - (long)time(NULL);
  printf("btime %d\n", difference >= -2 && difference <= 2);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    // Half a second of work.
    while (clock() < CLOCKS_PER_SEC / 2) {
    }
    pause();
  }
  get("/proc/stat");
  sscanf(strstr(text, "processes"), "processes %lu", &later);
  printf("processes %d\n", later > processes);
  double started = (double)stat_of(child).start / sysconf(_SC_CLK_TCK);
  clock_gettime(CLOCK_BOOTTIME, &after);
  printf("start %d\n", started >= up - 1 && started <= after.tv_sec + 1);
  for (int round = 0; round < 20000 && stat_of(child).state != 'S'; round++) usleep(1000);
  struct stat_fields fields = stat_of(child);
  printf("work %d\n", fields.user + fields.system >= 40);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  unsigned long user, nice, system, idle;
  get("/proc/stat");
  printf("cpu %d, cpu0 %d\n", sscanf(text, "cpu %lu %lu %lu %lu", &user, &nice, &system, &idle) == 4 && user + system >= 40,
         strstr(text, "\ncpu0 ") != NULL);
  // What the kernel does is told from what programs do.
  for (int calls = 0; calls < 2; calls++) {
    unsigned long nice, before[2], after[2];
    get("/proc/stat");
    sscanf(text, "cpu %lu %lu %lu", &before[0], &nice, &before[1]);
    before[0] += nice;
    fflush(stdout);
    child = fork();
    while (child == 0)
      if (calls) close(open("/proc/self/stat", O_RDONLY));
    usleep(600000);
    get("/proc/stat");
    sscanf(text, "cpu %lu %lu %lu", &after[0], &nice, &after[1]);
    after[0] += nice;
    printf("work of %s %d\n", calls ? "the kernel" : "a program", after[calls] >= before[calls] + 20);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  get("/proc/cpuinfo");
  printf("cpuinfo %d %d %d\n", strstr(text, "model name\t: unknown") == NULL, strstr(text, " sse2 ") != NULL,
         strstr(text, "cpu MHz\t\t: ") != NULL);
}

static unsigned port_of(int socket) {
  struct sockaddr_in6 address;
  socklen_t length = sizeof address;
  getsockname(socket, (void *)&address, &length);
  return ntohs(address.sin6_port);
}

// Prints the line of a socket in a table, if it is there; ports are told by whose they are.
static int try_line(const char *table, ino_t wanted, unsigned local, unsigned remote) {
  get("/proc/net/%s", table);
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    char from[64], to[64];
    unsigned from_port, to_port, state, sends, receives, uid;
    unsigned long inode;
    if (sscanf(line, "%*d: %63[0-9A-F]:%X %63[0-9A-F]:%X %X %X:%X %*X:%*X %*X %u %*u %lu", from, &from_port, to, &to_port,
               &state, &sends, &receives, &uid, &inode) != 9 ||
        inode != wanted)
      continue;
    printf("%s: %s:%d %s:%d state %02X, %u:%u, user %d", table, from, from_port == local, to, to_port == remote, state,
           sends, receives, uid == getuid());
    if (!strchr(table, '6')) printf(", %zu columns", strlen(line));
    printf("\n");
    return 1;
  }
  return 0;
}

// Linux may leave a line out while others come and go, of whichever process.
static void show_line(const char *table, int socket, unsigned local, unsigned remote) {
  struct stat information;
  fstat(socket, &information);
  for (int tries = 0; tries < 100; tries++)
    if (try_line(table, information.st_ino, local, remote)) return;
  printf("%s: no line\n", table);
}

static int has_state(unsigned local, unsigned remote, unsigned wanted) {
  get("/proc/net/tcp");
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    unsigned from, to, state;
    if (sscanf(line, "%*d: %*[0-9A-F]:%X %*[0-9A-F]:%X %X", &from, &to, &state) == 3 && from == local && to == remote)
      return state == wanted;
  }
  return 0;
}

static void sockets(void) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (void *)&any, sizeof any);
  show_line("tcp", listener, 0, 0);
  listen(listener, 5);
  unsigned port = port_of(listener);
  show_line("tcp", listener, port, 0);
  any.sin_port = htons(port);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  connect(client, (void *)&any, sizeof any);
  unsigned other = port_of(client);
  show_line("tcp", listener, port, 0);
  printf("not accepted: %d\n", has_state(port, other, 1));
  int server = accept(listener, NULL, NULL);
  show_line("tcp", listener, port, 0);
  show_line("tcp", client, other, port);
  write(client, "hello", 5);
  for (int round = 0; round < 5000 && recv(server, text, 10, MSG_PEEK) != 5; round++) usleep(1000);
  show_line("tcp", server, port, other);
  close(client);
  for (int round = 0; round < 5000 && !has_state(port, other, 8); round++) usleep(1000);
  printf("half closed: %d\n", has_state(port, other, 8));
  for (int round = 0; round < 5000 && !has_state(other, port, 5); round++) usleep(1000);
  printf("without a socket: %d\n", has_state(other, port, 5));
  read(server, text, 10);
  close(server);
  for (int round = 0; round < 5000 && !has_state(other, port, 6); round++) usleep(1000);
  printf("over: %d\n", has_state(other, port, 6));
  close(listener);

  int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  show_line("udp", datagrams, 0, 0);
  any.sin_port = 0;
  bind(datagrams, (void *)&any, sizeof any);
  show_line("udp", datagrams, port_of(datagrams), 0);
  any.sin_port = htons(9);
  connect(datagrams, (void *)&any, sizeof any);
  show_line("udp", datagrams, port_of(datagrams), 9);
  close(datagrams);

  int six = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  bind(six, (void *)&address, sizeof address);
  listen(six, 5);
  show_line("tcp6", six, port_of(six), 0);
  close(six);
  six = socket(AF_INET6, SOCK_DGRAM, 0);
  address.sin6_addr = in6addr_any;
  bind(six, (void *)&address, sizeof address);
  show_line("udp6", six, port_of(six), 0);
  close(six);

  int local = socket(AF_UNIX, SOCK_STREAM, 0), pair[2], names[2];
  bind(local, (void *)&(struct sockaddr_un){AF_UNIX, "name"}, sizeof(sa_family_t) + 5);
  listen(local, 5);
  names[0] = local;
  names[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind(names[1], (void *)&(struct sockaddr_un){AF_UNIX, "\0an abstract name"}, sizeof(sa_family_t) + 17);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  int all[] = {names[0], names[1], pair[0]};
  for (int at = 0; at < 3; at++) {
    struct stat information;
    fstat(all[at], &information);
    get("/proc/net/unix");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
      unsigned shares, protocol, flags, type, state;
      unsigned long inode;
      char path[128] = "";
      if (sscanf(line, "%*x: %x %x %x %x %x %lu %127[^\n]", &shares, &protocol, &flags, &type, &state, &inode, path) >= 6 &&
          inode == information.st_ino)
        printf("unix: %u %u %x %u %u \"%s\"\n", shares, protocol, flags, type, state, path);
    }
  }

  unsigned long long before, after;
  get("/proc/net/dev");
  char *loopback = strstr(text, "    lo:");
  printf("dev %d\n", loopback && sscanf(loopback, " lo: %llu", &before) == 1);
  any.sin_port = htons(9);
  int sender = socket(AF_INET, SOCK_DGRAM, 0);
  sendto(sender, text, 1000, 0, (void *)&any, sizeof any);
  get("/proc/net/dev");
  sscanf(strstr(text, "    lo:"), " lo: %llu", &after);
  printf("bytes %d\n", after >= before + 1028 && after < before + 4000);
  const char *const tables[] = {"tcp", "tcp6", "udp", "udp6", "unix", "dev", "route", "arp"};
  for (int at = 0; at < 8; at++) {
    get("/proc/net/%s", tables[at]);
    printf("%.*s\n", (int)strcspn(text, "\n"), text);
  }
  VALUE(get("/proc/net/sockstat") > 0 && strncmp(text, "sockets: used ", 14) == 0);
}

// What a thread of its own has used, and the process: ticks, page faults, when it began.
static void used(pid_t tid, unsigned long long values[3]) {
  unsigned long user = 0, system = 0, faults = 0;
  get(tid ? "/proc/self/task/%d/stat" : "/proc/self/stat", tid);
  sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %lu %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu", &faults,
         &user, &system, &values[2]);
  values[0] = user + system, values[1] = faults;
}

static void *work(void *ready) {
  unsigned long long own[3], first[3], whole[3];
  long pages = 200, size = pages * 4096;
  clock_t begin = clock();
  while (clock() - begin < CLOCKS_PER_SEC * 3 / 10) {}
  struct rusage before, after;
  getrusage(RUSAGE_THREAD, &before);
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(memory, size, MADV_NOHUGEPAGE);
  for (long i = 0; i < pages; i++) memory[i * 4096] = 1;
  for (int i = 0; i < 5; i++) usleep(1000);
  getrusage(RUSAGE_THREAD, &after);
  VALUE(after.ru_minflt - before.ru_minflt >= pages);
  VALUE(after.ru_nvcsw - before.ru_nvcsw >= 5);
  used(gettid(), own), used(getpid(), first), used(0, whole);
  printf("thread %d, first thread %d\n", own[0] >= 25 && own[0] < whole[0], first[0] < whole[0] - 20);
  printf("faults %d %d\n", own[1] >= 200 && own[1] < whole[1], first[1] < whole[1]);
  printf("began later %d, with the process %d\n", own[2] > whole[2], first[2] == whole[2]);
  unsigned long switches = 0;
  get("/proc/self/task/%d/status", gettid());
  char *line = strstr(text, "\nvoluntary_ctxt_switches:");
  VALUE(line && sscanf(line, " voluntary_ctxt_switches: %lu", &switches) == 1 && switches >= 5);
  return ready;
}

static void threads(void) {
  pthread_t thread;
  usleep(50000);
  pthread_create(&thread, NULL, work, NULL);
  pthread_join(thread, NULL);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  VALUE(usage.ru_minflt >= 200);
}

// Kilobytes of the area at an address, by its line in /proc/self/smaps.
static long kilobytes(void *address, const char *name) {
  long value = -1;
  int is_it = 0;
  get("/proc/self/smaps");
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      is_it = start <= (unsigned long)address && (unsigned long)address < end;
    else if (is_it && strncmp(line, name, strlen(name)) == 0)
      sscanf(line + strlen(name), ": %ld", &value);
  }
  return value;
}

static void show_memory(const char *who, void *memory) {
  printf("%s: rss %ld pss %ld private %ld shared %ld\n", who, kilobytes(memory, "Rss"), kilobytes(memory, "Pss"),
         kilobytes(memory, "Private_Dirty"), kilobytes(memory, "Shared_Dirty"));
}

// What a child shares with its parent is neither's own.
static void sharing(void) {
  const long size = 64 * 4096;
  char *memory = mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
  mprotect(memory, size, PROT_READ | PROT_WRITE);
  memset(memory, 1, size);
  show_memory("alone", memory);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    show_memory("child", memory);
    memset(memory, 2, size / 2);
    show_memory("child that wrote", memory);
    fflush(stdout);
    _exit(0);
  }
  char expected[16];
  sprintf(expected, "%d ", child);
  get("/proc/self/task/%d/children", getpid());
  VALUE(strcmp(text, expected) == 0);
  waitpid(child, NULL, 0);
  show_memory("alone again", memory);
  VALUE(get("/proc/self/task/%d/children", getpid()));
  VALUE(get("/proc/self/children"));
  unsigned long long ran = 0, waited, turns = 0;
  get("/proc/thread-self/schedstat");
  VALUE(sscanf(text, "%llu %llu %llu\n", &ran, &waited, &turns) == 3 && ran > 1000000 && turns > 1);
  unsigned long faults = 0, later = 0;
  get("/proc/vmstat");
  char *line = strstr(text, "\npgfault ");
  if (line) sscanf(line, " pgfault %lu", &faults);
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < size; i += 4096) memory[i] = 1;
  get("/proc/vmstat");
  line = strstr(text, "\npgfault ");
  if (line) sscanf(line, " pgfault %lu", &later);
  VALUE(later >= faults + 50);
}

int main(int count, char **arguments) {
  // The same texts wherever it runs.
  if (count == 1) return execle("/proc/self/exe", "program", "argument", NULL, (char *[]){"NAME=value", NULL});
  enter_scratch();
  children(arguments);
  own_descriptor();
  gone();
  times();
  sockets();
  threads();
  sharing();
  return 0;
}
