// System V shared memory: keys, permissions, attachments over fork and exit, and removal while somebody still looks.
#include "show.h"

#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define KEY 0x756b0001
#define SIZE 10000

static struct shmid_ds status(int id) {
  struct shmid_ds status = {0};
  SHOW(shmctl(id, IPC_STAT, &status));
  printf("  %zu bytes, mode %o, attached %lu times, key %d, mine %d, last by me %d, times %d %d\n", status.shm_segsz,
         status.shm_perm.mode, (long)status.shm_nattch, status.shm_perm.__key == KEY, status.shm_cpid == getpid(),
         status.shm_lpid == getpid(), status.shm_atime != 0, status.shm_ctime != 0);
  return status;
}

static void wait_for(pid_t child) {
  int status;
  waitpid(child, &status, 0);
  printf("  child ended with %d\n", status);
}

static void by_key(void) {
  SHOW(shmget(KEY, SIZE, 0600));
  SHOW(shmget(KEY, 0, IPC_CREAT | 0600));
  int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0640);
  VALUE(id >= 0);
  SHOW(shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600));
  VALUE(shmget(KEY, SIZE, IPC_CREAT | 0600) == id);
  VALUE(shmget(KEY, 0, 0) == id);
  VALUE(shmget(KEY, 1, 0) == id);
  SHOW(shmget(KEY, SIZE + 1, 0));
  status(id);
  SHOW(shmctl(id, IPC_RMID, NULL));
  SHOW(shmctl(id, IPC_RMID, NULL));
  SHOW(shmget(KEY, SIZE, 0600));
  SHOW(shmctl(id, 99, NULL));
  SHOW(shmctl(-1, IPC_STAT, NULL));
}

static void between_processes(void) {
  int id = shmget(IPC_PRIVATE, SIZE, 0600);
  char *one = shmat(id, NULL, 0);
  char *other = shmat(id, NULL, SHM_RDONLY);
  VALUE(one != other);
  VALUE(one[SIZE - 1]);
  strcpy(one, "written by the parent");
  puts(other);
  status(id);
  pid_t child = fork();
  if (!child) {
    status(id);
    strcpy(one + 4096, "written by the child");
    SHOW(shmdt(other));
    SHOW(shmdt(other));
    SHOW(shmdt(one + 4096));
    status(id);
    _exit(0);
  }
  wait_for(child);
  puts(other + 4096);
  VALUE(status(id).shm_dtime != 0);
  // Gone for newcomers by its key, there for those who have it, and by its identifier.
  SHOW(shmctl(id, IPC_RMID, NULL));
  status(id);
  char *third = shmat(id, NULL, 0);
  puts(third + 4096);
  SHOW(shmdt(third));
  SHOW(shmdt(one));
  puts(other);
  SHOW(shmdt(other));
  SHOW(shmctl(id, IPC_STAT, &(struct shmid_ds){0}));
  SHOW(shmat(id, NULL, 0));
}

static void at_addresses(void) {
  int id = shmget(IPC_PRIVATE, SIZE, 0600);
  char *free_place = mmap(NULL, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(free_place, 16 * 4096);
  VALUE(shmat(id, free_place, 0) == free_place);
  SHOW(shmat(id, free_place + 4096, 0));
  SHOW(shmat(id, free_place + 8 * 4096 + 5, 0));
  VALUE(shmat(id, free_place + 8 * 4096 + 5, SHM_RND) == free_place + 8 * 4096);
  SHOW(shmat(id, NULL, SHM_REMAP));
  VALUE(shmat(id, free_place + 4096, SHM_REMAP) == free_place + 4096);
  status(id);
  // What was replaced of the first stays replaced.
  SHOW(shmdt(free_place));
  free_place[4096] = 'x';
  VALUE(free_place[8 * 4096]);
  SHOW(munmap(free_place + 9 * 4096, 4096));
  SHOW(shmdt(free_place + 8 * 4096));
  SHOW(shmdt(free_place + 4096));
  SHOW(shmdt(free_place));
  status(id);
  SHOW(shmctl(id, IPC_RMID, NULL));
}

static void permissions(void) {
  int id = shmget(IPC_PRIVATE, SIZE, 0600);
  struct shmid_ds before = status(id);
  before.shm_perm.mode = 0400;
  SHOW(shmctl(id, IPC_SET, &before));
  status(id);
  SHOW(shmctl(id, SHM_LOCK, NULL));
  status(id);
  SHOW(shmctl(id, SHM_UNLOCK, NULL));
  SHOW(shmctl(id, IPC_STAT, (void *)8));
  SHOW(shmctl(id, IPC_RMID, NULL));
  SHOW(shmat(-1, NULL, 0));
  SHOW(shmdt(NULL));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  by_key();
  between_processes();
  at_addresses();
  permissions();
}
