// System V semaphores and message queues. (Shared memory: shared_memory.c.)
#include "show.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

static int operate(int set, int number, int change, int flags) {
  struct sembuf operation = {number, change, flags};
  return semop(set, &operation, 1);
}

static void semaphore_sets(void) {
  SHOW(semget(IPC_PRIVATE, 0, 0600));
  SHOW(semget(IPC_PRIVATE, -1, 0600));
  SHOW(semget(IPC_PRIVATE, 32001, 0600));
  key_t key = 0x5eaf00d + getpid();
  SHOW(semget(key, 3, 0600));
  int set = WORKS(semget(key, 3, IPC_CREAT | 0640));
  SHOW(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
  SHOW(semget(key, 0, 0) == set);
  SHOW(semget(key, 4, 0));
  struct semid_ds description;
  SHOW(semctl(set, 0, IPC_STAT, &description));
  VALUE(description.sem_nsems);
  VALUE(description.sem_perm.mode);
  VALUE(description.sem_perm.__key == key);
  VALUE(description.sem_otime);
  VALUE(description.sem_ctime > 0);
  unsigned short values[3] = {1, 2, 3};
  SHOW(semctl(set, 0, SETALL, values));
  SHOW(semctl(set, 1, GETVAL));
  SHOW(semctl(set, 1, SETVAL, 9));
  SHOW(semctl(set, 0, GETALL, values));
  VALUE(values[0] * 10000 + values[1] * 100 + values[2]);
  SHOW(semctl(set, 1, GETPID) == getpid());
  SHOW(semctl(set, 1, SETVAL, 32768));
  SHOW(semctl(set, 1, SETVAL, -1));
  SHOW(semctl(set, 3, GETVAL));
  SHOW(semctl(set, -1, GETVAL));
  SHOW(semctl(set, 0, 99));
  SHOW(semctl(1 << 30, 0, GETVAL));
  SHOW(semctl(-1, 0, GETVAL));

  SHOW(operate(set, 0, -1, 0));
  SHOW(operate(set, 0, 0, 0));
  SHOW(operate(set, 0, -1, IPC_NOWAIT));
  SHOW(operate(set, 1, 0, IPC_NOWAIT));
  SHOW(operate(set, 3, 1, 0));
  SHOW(operate(set, 1, 32767, 0));
  SHOW(semop(set, NULL, 1));
  SHOW(semop(set, NULL, 0));
  SHOW(semop(set, NULL, 501));
  // All or none.
  struct sembuf both[2] = {{1, -9, 0}, {0, -1, IPC_NOWAIT}};
  SHOW(semop(set, both, 2));
  SHOW(semctl(set, 1, GETVAL));
  both[1].sem_op = 1;
  SHOW(semop(set, both, 2));
  SHOW(semctl(set, 1, GETVAL));
  SHOW(semctl(set, 0, GETVAL));
  SHOW(semctl(set, 0, IPC_STAT, &description));
  VALUE(description.sem_otime > 0);
  struct timespec soon = {0, 20000000};
  struct sembuf wait = {1, -1, 0};
  SHOW(semtimedop(set, &wait, 1, &soon));
  SHOW(semtimedop(set, &wait, 1, &(struct timespec){0, -1}));

  // What a process takes back at its end.
  semctl(set, 2, SETVAL, 5);
  pid_t child = fork();
  if (child == 0) {
    operate(set, 2, -3, SEM_UNDO);
    operate(set, 2, 1, 0);
    _exit(semctl(set, 2, GETVAL));
  }
  int status;
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));
  SHOW(semctl(set, 2, GETVAL));

  // Two that wait for each other.
  semctl(set, 0, SETVAL, 0);
  semctl(set, 1, SETVAL, 0);
  child = fork();
  if (child == 0) {
    for (int i = 0; i < 1000; i++)
      if (operate(set, 0, -1, 0) || operate(set, 1, 1, 0)) _exit(1);
    _exit(operate(set, 2, -100, 0) == -1 ? errno == EIDRM ? 0 : 2 : 3);
  }
  int failures = 0;
  for (int i = 0; i < 1000; i++)
    failures += operate(set, 0, 1, 0) || operate(set, 1, -1, 0);
  VALUE(failures);
  while (semctl(set, 2, GETNCNT) == 0)
    usleep(1000);
  SHOW(semctl(set, 2, GETNCNT));
  SHOW(semctl(set, 2, GETZCNT));
  SHOW(semctl(set, 0, IPC_RMID));
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));
  SHOW(semctl(set, 0, GETVAL));
  SHOW(semctl(set, 0, IPC_RMID));
}

static void caught(int signal) { (void)signal; }

static void interrupted(void) {
  int set = semget(IPC_PRIVATE, 1, 0600);
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    while (semctl(set, 0, GETNCNT) == 0)
      usleep(1000);
    kill(parent, SIGUSR1);
    _exit(0);
  }
  SHOW(operate(set, 0, -1, 0));
  waitpid(child, NULL, 0);
  semctl(set, 0, IPC_RMID);
}

struct message {
  long type;
  char text[64];
};

static int sends(int queue, long type, const char *text) {
  struct message message = {.type = type};
  strcpy(message.text, text);
  return msgsnd(queue, &message, strlen(text), IPC_NOWAIT);
}

static void receives(int queue, size_t size, long type, int flags) {
  struct message message = {0};
  errno = 0;
  long length = msgrcv(queue, &message, size, type, flags | IPC_NOWAIT);
  printf("receive %ld of at most %zu: %ld %s \"%s\", type %ld\n", type, size, length,
         length < 0 ? strerrorname_np(errno) : "", message.text, message.type);
}

static void messages(void) {
  key_t key = 0x3e55a6e + getpid();
  SHOW(msgget(key, 0600));
  int queue = WORKS(msgget(key, IPC_CREAT | 0600));
  SHOW(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
  SHOW(msgget(key, 0) == queue);
  receives(queue, 64, 0, 0);
  SHOW(sends(queue, 3, "three"));
  SHOW(sends(queue, 1, "one"));
  SHOW(sends(queue, 2, "two"));
  SHOW(sends(queue, 2, ""));
  SHOW(sends(queue, 0, "none"));
  struct message message = {.type = 1};
  SHOW(msgsnd(queue, &message, 8193, 0));
  SHOW(msgsnd(queue, NULL, 1, 0));
  SHOW(msgsnd(-1, &message, 1, 0));
  struct msqid_ds description;
  SHOW(msgctl(queue, IPC_STAT, &description));
  VALUE(description.msg_qnum);
  VALUE(description.__msg_cbytes);
  VALUE(description.msg_qbytes);
  VALUE(description.msg_lspid == getpid());
  VALUE(description.msg_lrpid);
  VALUE(description.msg_perm.mode);
  receives(queue, 2, 3, 0);
  receives(queue, 2, 3, MSG_NOERROR);
  receives(queue, 64, -2, 0);
  receives(queue, 64, 2, MSG_EXCEPT);
  receives(queue, 64, 0, 0);
  receives(queue, 64, 0, 0);
  receives(queue, 64, 0, 0);
  SHOW(msgrcv(queue, &message, -1, 0, IPC_NOWAIT));

  // A queue has so much room, and who finds none waits.
  char full[8 + 4096] = {1};
  int sent = 0;
  while (msgsnd(queue, full, 4096, IPC_NOWAIT) == 0)
    sent++;
  VALUE(errno == EAGAIN);
  VALUE(sent);
  pid_t child = fork();
  if (child == 0) {
    struct message last = {.type = 5, .text = "last"};
    if (msgsnd(queue, &last, 4, 0)) _exit(1);
    _exit(msgrcv(queue, &last, 64, 77, 0) == -1 ? errno == EIDRM ? 0 : 2 : 3);
  }
  for (int i = 0; i < sent; i++)
    msgrcv(queue, full, 4096, 1, 0);
  SHOW(msgrcv(queue, &message, 64, 5, 0));
  // Whether it has got so far or not: it gets the end.
  SHOW(msgctl(queue, IPC_RMID, NULL));
  int status;
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
  SHOW(msgctl(queue, IPC_STAT, &description));
  SHOW(msgsnd(queue, &message, 1, 0));
  SHOW(msgctl(queue, 99, NULL));
}

int main(void) {
  setbuf(stdout, NULL);
  semaphore_sets();
  interrupted();
  messages();
}
