// What the machine has in use: after a round, as much as before it.
#include "supervisor.h"
#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

static long entries(const char *folder, bool numbers) {
  DIR *open = opendir(folder);
  long count = 0;
  for (struct dirent *entry; open && (entry = readdir(open));) count += !numbers || isdigit((unsigned char)*entry->d_name);
  if (open) closedir(open);
  return count;
}

// Connections that have ended and wait for late packets are there for a minute by TCP's rules.
static bool is_ended(const char *table, const char *line) {
  unsigned state;
  if (strncmp(table, "/proc/net/tcp", 13) != 0 || sscanf(line, "%*s %*s %*s %x", &state) != 1) return false;
  enum { FIN_WAIT_1 = 4, FIN_WAIT_2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING = 11 };
  return state == FIN_WAIT_1 || state == FIN_WAIT_2 || state == TIME_WAIT || state == LAST_ACK || state == CLOSING;
}

// Counts sockets, and shows them when asked to.
static long sockets(bool show) {
  static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix"};
  long count = 0;
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    char line[512];
    FILE *file = fopen(tables[i], "r");
    if (!file) continue;
    bool heading = true;
    while (fgets(line, sizeof line, file)) {
      if (heading) {
        heading = false;
        continue;
      }
      if (is_ended(tables[i], line)) continue;
      count++;
      if (show) printf("%s: %s", tables[i], line);
    }
    fclose(file);
  }
  return count;
}

void show_sockets(void) { sockets(true); }

void show_memory(void) {
  static const char *const files[] = {"/proc/meminfo", "/proc/net/sockstat", "/proc/net/tcp", "/proc/net/tcp6"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char line[512];
    FILE *file = fopen(files[i], "r");
    while (file && fgets(line, sizeof line, file)) {
      unsigned state;
      enum { TIME_WAIT = 6 };
      // Those that wait for late packets are many, and small.
      if (sscanf(line, "%*u: %*s %*s %x", &state) != 1 || state != TIME_WAIT) printf("%s: %s", files[i], line);
    }
    if (file) fclose(file);
  }
}

static long first_number(const char *path, const char *format) {
  char line[512];
  long number = -1;
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, format, &number) == 1) break;
  if (file) fclose(file);
  return number;
}

void measure(struct machine *now) {
  *now = (struct machine){
      .processes = entries("/proc", true),
      .descriptors = entries("/proc/self/fd", false),
      .sockets = sockets(false),
      .files = first_number("/proc/sys/fs/file-nr", "%ld"),
      .available = first_number("/proc/meminfo", "MemAvailable: %ld"),
      .kernel = first_number("/proc/meminfo", "Slab: %ld"),
  };
}

// What is there before the first worker.
static struct {
  char path[64];
  off_t size;
} given[256];
static size_t givens;

// All files that workers with privileges reach, those in a folder before it.
static void each_file(int (*handle)(const char *, const struct stat *, int, struct FTW *)) {
  static const char *const mounts[] = {"/", "/dev", "/dev/shm"};
  for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
    if (nftw(mounts[i], handle, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT)) complain("%s cannot be looked through: %m", mounts[i]);
}

static int remember_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)kind, (void)place;
  if (givens == sizeof given / sizeof *given || strlen(path) >= sizeof given->path) return complain("%s cannot be remembered", path), 0;
  strcpy(given[givens].path, path);
  given[givens++].size = status->st_size;
  return 0;
}

void remember(void) { each_file(remember_one); }

static int restore_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)kind, (void)place;
  size_t i = 0;
  while (i < givens && strcmp(given[i].path, path)) i++;
  if (i == givens) {
    if (remove(path)) complain("%s cannot be removed: %m", path);
  } else if (S_ISREG(status->st_mode) && status->st_size > given[i].size && truncate(path, given[i].size)) {
    complain("%s cannot be cut off: %m", path);
  }
  return 0;
}

static int show_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)kind, (void)place;
  if (status->st_blocks) printf("%s: %ld KiB\n", path, (long)status->st_blocks / 2);
  return 0;
}

void show_files(void) { each_file(show_one); }

void clean(void) {
  FILE *caches = fopen("/proc/sys/vm/drop_caches", "w");
  if (!caches || fputs("3\n", caches) < 0 || fclose(caches)) complain("caches cannot be dropped: %m");
  each_file(restore_one);
  union {
    struct shmid_ds segment;
    struct shm_info segments;
    struct semid_ds semaphores;
    struct seminfo sets;
    struct msqid_ds queue;
    struct msginfo queues;
  } told;
  int id, last = shmctl(0, SHM_INFO, (void *)&told);
  for (int i = 0; i <= last; i++)
    if ((id = shmctl(i, SHM_STAT, (void *)&told)) >= 0) shmctl(id, IPC_RMID, NULL);
  last = semctl(0, 0, SEM_INFO, &told);
  for (int i = 0; i <= last; i++)
    if ((id = semctl(i, 0, SEM_STAT, &told)) >= 0) semctl(id, 0, IPC_RMID);
  last = msgctl(0, MSG_INFO, (void *)&told);
  for (int i = 0; i <= last; i++)
    if ((id = msgctl(i, MSG_STAT, (void *)&told)) >= 0) msgctl(id, IPC_RMID, NULL);
}
