// Who comes first: nice values and policies by `sched_setattr`, I/O priorities. And old or rare calls beside newer ones.
#include "show.h"
#include <dirent.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  char later[64];
};

#define set_attributes(pid, attributes, flags) syscall(SYS_sched_setattr, pid, attributes, flags)
#define get_attributes(pid, attributes, size, flags) syscall(SYS_sched_getattr, pid, attributes, size, flags)

static void attributes(void) {
  struct attributes attributes = {.size = 48, .policy = SCHED_BATCH, .nice = 5};
  SHOW(set_attributes(0, &attributes, 0));
  SHOW(syscall(SYS_sched_getscheduler, 0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(set_attributes(0, &attributes, 1));
  SHOW(set_attributes(-1, &attributes, 0));
  SHOW(set_attributes(0, NULL, 0));
  SHOW(set_attributes(1 << 21, &attributes, 0));
  SHOW(set_attributes(0, (void *)8, 0));
  attributes.size = 47;
  SHOW(set_attributes(0, &attributes, 0));
  VALUE(attributes.size > 47);
  attributes.size = sizeof attributes;
  attributes.later[63] = 1;
  SHOW(set_attributes(0, &attributes, 0));
  attributes.size = 48;
  attributes.policy = 99;
  SHOW(set_attributes(0, &attributes, 0));
  attributes.policy = SCHED_NORMAL;
  attributes.priority = 1;
  SHOW(set_attributes(0, &attributes, 0));
  attributes.policy = SCHED_FIFO;
  attributes.priority = 0;
  SHOW(set_attributes(0, &attributes, 0));
  SHOW(get_attributes(0, &attributes, 48, 0));
  VALUE(attributes.size >= 48);
  VALUE(attributes.policy);
  VALUE(attributes.nice);
  VALUE(attributes.priority);
  SHOW(get_attributes(0, &attributes, 47, 0));
  SHOW(get_attributes(0, &attributes, 4097, 0));
  SHOW(get_attributes(0, NULL, 48, 0));
  SHOW(get_attributes(-1, &attributes, 48, 0));
  SHOW(get_attributes(0, &attributes, 48, 1));
}

static void io(void) {
#define priority_set(which, who, value) syscall(SYS_ioprio_set, which, who, value)
#define priority_get(which, who) syscall(SYS_ioprio_get, which, who)
  int own = getpid();
  SHOW(priority_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)));
  SHOW(priority_get(IOPRIO_WHO_PROCESS, own) == IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
  SHOW(priority_set(IOPRIO_WHO_PROCESS, own, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)));
  SHOW(priority_get(IOPRIO_WHO_PROCESS, 0) == IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
  pid_t child = fork();
  if (child == 0) _exit(priority_get(IOPRIO_WHO_PROCESS, 0) == IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
  int status;
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));
  SHOW(priority_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 1)));
  SHOW(priority_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(4, 0)));
  SHOW(priority_set(0, 0, 0));
  SHOW(priority_set(4, 0, 0));
  SHOW(priority_get(0, 0));
  SHOW(priority_get(IOPRIO_WHO_PROCESS, 1 << 21));
}

// `getdents(2)` and `getdents64(2)` tell the same.
static void entries(void) {
  enter_scratch();
  mkdir("folder", 0700);
  close(open("a file with quite a long name", O_CREAT | O_WRONLY, 0600));
  int folder = open(".", O_RDONLY | O_DIRECTORY);
  char old[1024], new[1024];
  long old_length = syscall(SYS_getdents, folder, old, sizeof old);
  lseek(folder, 0, SEEK_SET);
  long new_length = syscall(SYS_getdents64, folder, new, sizeof new);
  VALUE(old_length > 0);
  int count = 0, same = 0;
  for (long at = 0, other = 0; at < old_length && other < new_length; count++) {
    unsigned short old_size = *(unsigned short *)(old + at + 16), new_size = *(unsigned short *)(new + other + 16);
    same += !memcmp(old + at, new + other, 16) && !strcmp(old + at + 18, new + other + 19) &&
            old[at + old_size - 1] == new[other + 18];
    at += old_size, other += new_size;
  }
  VALUE(count);
  VALUE(same);
  lseek(folder, 0, SEEK_SET);
  SHOW(syscall(SYS_getdents, folder, old, 10));
  SHOW(syscall(SYS_getdents, -1, old, 10));
}

static void others(void) {
  if (getuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))) return;
  SHOW(reboot(RB_DISABLE_CAD));
  SHOW(setdomainname("a", 1));
}

int main(void) {
  attributes();
  io();
  entries();
  others();
}
