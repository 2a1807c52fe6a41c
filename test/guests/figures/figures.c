// What /proc and /sys tell of the whole machine to programs that watch it, while something happens that changes it. Only numbers that are known
// are printed.
#include "../conformance/show.h"
#include <sys/wait.h>

static char text[1 << 16];

static const char *get(const char *path) {
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
  close(file);
  text[length > 0 ? length : 0] = 0;
  return text;
}

// The number behind a name at the beginning of a line.
static long long named(const char *path, const char *name) {
  get(path);
  size_t length = strlen(name);
  for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
    if (strncmp(line, name, length) == 0) return atoll(line + length);
  return -1;
}

static void load(void) {
  pid_t child = vfork();
  if (child == 0) {
    // Linux looks every five seconds.
    sleep(11);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  double average = 0;
  sscanf(get("/proc/loadavg"), "%lf", &average);
  printf("a load of one for two looks: %d\n", average >= 0.15 && average < 0.5);
}

static void names(void) {
  const char *file = "/proc/meminfo";
  // What is made for the first look stays.
  access("/missing", F_OK);
  long available = named(file, "MemAvailable:"), free = named(file, "MemFree:");
  VALUE(available >= free);
  for (int i = 0; i < 6000; i++) {
    char path[32];
    snprintf(path, sizeof path, "/missing-%d", i);
    access(path, F_OK);
  }
  long used = free - named(file, "MemFree:"), gone = available - named(file, "MemAvailable:");
  long reclaimable = named(file, "SReclaimable:"), slab = named(file, "Slab:");
  VALUE(used > 1000 && reclaimable > 1000);
  VALUE(gone < used / 4);
  VALUE(reclaimable == named(file, "KReclaimable:") && reclaimable + named(file, "SUnreclaim:") == slab);
}

// A program that a CPU does not leave.
static void work(void) {
  fflush(stdout);
  pid_t child = fork();
  while (child == 0) {
  }
  // Until it runs on the other CPU, for good.
  usleep(300000);
  long long user = named("/proc/stat", "cpu ");
  usleep(600000);
  VALUE(named("/proc/stat", "cpu ") >= user + 40);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

struct figures {
  long long major, minor, reads, merged, sectors, milliseconds, written[4], under_way, busy, all, others[6];
};

static struct figures figures(const char *disk) {
  struct figures it = {0};
  const char *line = strstr(get("/proc/diskstats"), disk);
  if (!line) return it;
  while (line > text && line[-1] != '\n') line--;
  long long *field = &it.major;
  char *end = (char *)line;
  for (int i = 0; i < 19; i++) {
    field[i] = strtoll(end, &end, 10);
    if (i == 1) end += 1 + strlen(disk);
  }
  return it;
}

static void disk(const char *disk, const char *content) {
  struct figures before = figures(disk), after;
  long long in = named("/proc/vmstat", "pgpgin ");
  static char piece[1 << 16];
  int file = open(content, O_RDONLY);
  while (read(file, piece, sizeof piece) > 0) {
  }
  struct stat size;
  fstat(file, &size);
  after = figures(disk);
  printf("%s %lld:%lld\n", disk, after.major, after.minor);
  VALUE(before.reads > 0 && after.reads > before.reads);
  VALUE(after.sectors - before.sectors >= size.st_size / 512 && after.sectors - before.sectors < size.st_size / 256);
  VALUE(named("/proc/vmstat", "pgpgin ") - in >= size.st_size / 1024);
  VALUE(after.busy >= before.busy && after.milliseconds >= after.busy && after.all == after.milliseconds);
  VALUE(after.under_way + after.merged + after.written[0] + after.written[2] + after.others[0] + after.others[4]);

  char path[64], expected[64];
  snprintf(path, sizeof path, "/sys/block/%s/size", disk);
  long long sectors = atoll(get(path));
  snprintf(expected, sizeof expected, "%lld %s\n", sectors / 2, disk);
  VALUE(strstr(get("/proc/partitions"), expected) != NULL);
  snprintf(path, sizeof path, "/sys/block/%s/stat", disk);
  long long reads = atoll(get(path));
  VALUE(reads == figures(disk).reads);
  const char *const files[] = {"dev", "ro", "removable", "queue/logical_block_size"};
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "/sys/block/%s/%s", disk, files[i]);
    printf("%s: %s", files[i], get(path));
  }
  printf("%s", strstr(get("/proc/devices"), "Block"));
}

static void interrupts(void) {
  long long before = named("/proc/stat", "intr "), switches = named("/proc/stat", "ctxt ");
  long long timer = named("/proc/interrupts", "LOC:");
  for (int i = 0; i < 20; i++) usleep(5000);
  VALUE(named("/proc/stat", "intr ") >= before + 20);
  VALUE(named("/proc/interrupts", "LOC:") >= timer + 20);
  VALUE(named("/proc/stat", "ctxt ") >= switches + 20);
  char label[8], device[64];
  long long count = 0;
  const char *row = strstr(get("/proc/interrupts"), "PCI-MSI");
  while (row && row > text && row[-1] != '\n') row--;
  VALUE(row && sscanf(row, " %7[0-9]: %lld PCI-MSI %63s", label, &count, device) == 3 && count > 0);
}

int main(int count, char **arguments) {
  if (strcmp(arguments[1], "load") == 0) load();
  if (strcmp(arguments[1], "work") == 0) work();
  if (strcmp(arguments[1], "names") == 0) names();
  if (strcmp(arguments[1], "disk") == 0 && count == 4) disk(arguments[2], arguments[3]);
  if (strcmp(arguments[1], "interrupts") == 0) interrupts();
  return 0;
}
