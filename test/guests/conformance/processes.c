// Processes: fork, exec, wait, signals between them, groups, what they share and what not.
#include "show.h"
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

static void show_status(const char *what, int status) {
  if (WIFEXITED(status))
    printf("%s exited with %d\n", what, WEXITSTATUS(status));
  else if (WIFSIGNALED(status))
    printf("%s was ended by signal %d\n", what, WTERMSIG(status));
  else if (WIFSTOPPED(status))
    printf("%s was stopped by signal %d\n", what, WSTOPSIG(status));
  else if (WIFCONTINUED(status))
    printf("%s continues\n", what);
}

// Runs a function in a child and shows how that ends.
#define IN_CHILD(what, ...)                                                                                            \
  do {                                                                                                                 \
    fflush(stdout);                                                                                                    \
    pid_t child_ = fork();                                                                                             \
    if (child_ == 0) {                                                                                                 \
      __VA_ARGS__;                                                                                                     \
      fflush(stdout);                                                                                                  \
      _exit(0);                                                                                                        \
    }                                                                                                                  \
    int status_ = -1;                                                                                                  \
    VALUE(waitpid(child_, &status_, 0) == child_);                                                                     \
    show_status(what, status_);                                                                                        \
  } while (0)

static volatile sig_atomic_t signals;
static siginfo_t last;
static void count(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  signals++;
  last = *info;
}

static void handle(int signal, int flags) {
  struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO | flags};
  sigaction(signal, &action, NULL);
}

static void ends(void) {
  SHOW(waitpid(-1, NULL, 0));
  IN_CHILD("a child", _exit(300));
  IN_CHILD("a child that aborts", abort());
  IN_CHILD("a child that is killed", raise(SIGKILL));
  int *volatile nowhere = (int *)8;
  IN_CHILD("a child that faults", *nowhere = 1);
  SHOW(waitpid(-1, NULL, WNOHANG));
  SHOW(waitpid(-1, NULL, 12345678));
}

static int global = 1;
static void memory(void) {
  int local = 1;
  int *heap = malloc(1 << 20);
  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *wiped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int *left_out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *heap = *shared = *wiped = *left_out = 1;
  SHOW(madvise(wiped, 4096, MADV_WIPEONFORK));
  SHOW(madvise(left_out, 4096, MADV_DONTFORK));
  IN_CHILD("a writing child", {
    global++, local++, (*heap)++, (*shared)++;
    printf("child: %d %d %d %d %d\n", global, local, *heap, *shared, *wiped);
    unsigned char resident;
    SHOW(mincore(left_out, 4096, &resident));
  });
  printf("parent: %d %d %d %d %d %d\n", global, local, *heap, *shared, *wiped, *left_out);
  // Many generations, all pages written on both sides.
  for (int i = 0; i < 1 << 18; i += 1024)
    heap[i] = i;
  for (int generation = 0; generation < 3; generation++)
    IN_CHILD("a generation", {
      for (int i = 0; i < 1 << 18; i += 1024)
        if (heap[i] != i)
          _exit(1);
        else
          heap[i] = -1;
      pid_t grandchild = fork();
      if (grandchild == 0) {
        for (int i = 0; i < 1 << 18; i += 1024)
          if (heap[i] != -1)
            _exit(1);
        _exit(0);
      }
      int status;
      waitpid(grandchild, &status, 0);
      _exit(status != 0);
    });
  free(heap);
}

static void files(void) {
  int ends[2], pair[2];
  char text[64] = "";
  pipe(ends);
  IN_CHILD("a child that writes", {
    close(ends[0]);
    write(ends[1], "from the child", 14);
  });
  close(ends[1]);
  SHOW(read(ends[0], text, sizeof text));
  // The child's end was the last one.
  SHOW(read(ends[0], text, sizeof text));
  puts(text);
  // One offset for both.
  FILE *file = tmpfile();
  int descriptor = fileno(file);
  write(descriptor, "0123456789", 10);
  lseek(descriptor, 2, SEEK_SET);
  IN_CHILD("a child that seeks", lseek(descriptor, 3, SEEK_CUR));
  SHOW(lseek(descriptor, 0, SEEK_CUR));
  // Record locks are the process's own.
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  SHOW(fcntl(descriptor, F_SETLK, &lock));
  IN_CHILD("a child that locks", {
    SHOW(fcntl(descriptor, F_SETLK, &lock));
    struct flock found = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(descriptor, F_GETLK, &found));
    VALUE(found.l_pid == getppid());
  });
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  // What stands for a path only takes no lock along when it is closed; another descriptor does.
  SHOW(close(open(path, O_PATH)));
  IN_CHILD("a child that locks still", SHOW(fcntl(descriptor, F_SETLK, &lock)));
  SHOW(close(open(path, O_RDONLY)));
  IN_CHILD("a child that locks now", SHOW(fcntl(descriptor, F_SETLK, &lock)));
  // A descriptor travels.
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  char space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec vector = {text, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  IN_CHILD("a child that sends a descriptor", {
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    FILE *own = tmpfile();
    fputs("content of the child's file", own);
    fflush(own);
    *(int *)CMSG_DATA(header) = fileno(own);
    SHOW(sendmsg(pair[0], &message, 0));
  });
  SHOW(recvmsg(pair[1], &message, 0));
  memset(text, 0, sizeof text);
  SHOW(pread(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)), text, sizeof text, 0));
  puts(text);
}

static void child_signals(void) {
  handle(SIGCHLD, SA_RESTART);
  signals = 0;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0)
    _exit(7);
  siginfo_t info;
  SHOW(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  VALUE(info.si_pid == child && info.si_uid == getuid());
  VALUE(info.si_signo == SIGCHLD && info.si_code == CLD_EXITED);
  VALUE(info.si_status);
  SHOW(waitid(P_PID, (id_t)child, &info, WEXITED));
  SHOW(waitid(P_PID, (id_t)child, &info, WEXITED));
  SHOW(waitid(P_ALL, 0, &info, 0));
  VALUE(signals);
  VALUE(last.si_pid == child && last.si_code == CLD_EXITED && last.si_status == 7);

  // Stops and continuations.
  child = fork();
  if (child == 0)
    for (;;)
      pause();
  int status;
  SHOW(kill(child, SIGSTOP));
  VALUE(waitpid(child, &status, WUNTRACED) == child);
  show_status("the child", status);
  SHOW(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOHANG));
  SHOW(kill(child, SIGCONT));
  VALUE(waitpid(child, &status, WCONTINUED) == child);
  show_status("the child", status);
  SHOW(kill(child, SIGTERM));
  VALUE(waitpid(child, &status, 0) == child);
  show_status("the child", status);
  SHOW(kill(child, 0));

  // Nobody wants to know.
  signal(SIGCHLD, SIG_IGN);
  child = fork();
  if (child == 0)
    _exit(0);
  SHOW(waitpid(child, &status, 0));
  signal(SIGCHLD, SIG_DFL);

  // A wait is interrupted.
  handle(SIGUSR1, 0);
  child = fork();
  if (child == 0) {
    usleep(30000);
    kill(getppid(), SIGUSR1);
    usleep(30000);
    _exit(0);
  }
  SHOW(waitpid(child, &status, 0));
  VALUE(last.si_code == SI_USER && last.si_pid == child);
  VALUE(waitpid(child, &status, 0) == child);
}

static void groups(void) {
  IN_CHILD("a session", {
    VALUE(setsid() == getpid());
    VALUE(getpgrp() == getpid() && getsid(0) == getpid());
    SHOW(setsid());
    SHOW(setpgid(0, 0));
    pid_t members[3];
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
      members[i] = fork();
      if (members[i] == 0) {
        setpgid(0, i == 0 ? 0 : members[0]);
        for (;;)
          pause();
      }
      setpgid(members[i], members[0]);
      VALUE(getpgid(members[i]) == members[0] && getsid(members[i]) == getpid());
    }
    SHOW(setpgid(members[1], 1 << 20));
    SHOW(kill(-members[0], SIGTERM));
    int status;
    for (int i = 0; i < 3; i++)
      VALUE(waitpid(-members[0], &status, 0) > 0 && WTERMSIG(status) == SIGTERM);
    SHOW(kill(-members[0], 0));
    SHOW(waitpid(-members[0], &status, 0));
  });
  // An orphan goes to the next ancestor that adopts.
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
  int ends[2];
  pipe(ends);
  pid_t own = getpid();
  IN_CHILD("a parent", {
    if (fork() == 0) {
      while (getppid() != own)
        usleep(1000);
      write(ends[1], "adopted", 8);
      _exit(3);
    }
  });
  char text[8];
  SHOW(read(ends[0], text, sizeof text));
  int status;
  VALUE(wait(&status) > 0);
  show_status("the orphan", status);
  SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
  // A child that outlives its parent may be told.
  IN_CHILD("a short-lived parent", {
    pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      write(ends[1], "ready", 6);
      for (;;)
        pause();
    }
    read(ends[0], text, 6);
    close(ends[1]);
  });
  close(ends[1]);
  SHOW(read(ends[0], text, sizeof text));
}

// What the program does when it is run again.
static int run_again(int argc, char **argv) {
  printf("argument %s, variable %s\n", argv[2], getenv("VARIABLE") ? getenv("VARIABLE") : "none");
  if (argc > 3)
    SHOW(fcntl(atoi(argv[3]), F_GETFD));
  if (argc > 4)
    SHOW(fcntl(atoi(argv[4]), F_GETFD));
  struct sigaction action;
  sigaction(SIGUSR1, NULL, &action);
  VALUE(action.sa_handler == SIG_DFL);
  sigaction(SIGUSR2, NULL, &action);
  VALUE(action.sa_handler == SIG_IGN);
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  VALUE(sigismember(&mask, SIGHUP));
  fflush(stdout);
  return 5;
}

static void executions(void) {
  char *self = "/proc/self/exe";
  int kept = dup(1), closed = fcntl(1, F_DUPFD_CLOEXEC, 0);
  char kept_text[16], closed_text[16];
  sprintf(kept_text, "%d", kept);
  sprintf(closed_text, "%d", closed);
  handle(SIGUSR1, 0);
  signal(SIGUSR2, SIG_IGN);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGHUP);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  IN_CHILD("a program", execle(self, "program", "again", "one", kept_text, closed_text, NULL,
                               (char *[]){"VARIABLE=value", NULL}));
  IN_CHILD("a missing program", SHOW(execl("/nowhere", "nowhere", NULL)));
  fflush(stdout);
  // The parent waits, and its memory is the child's until then.
  volatile int seen = 0;
  pid_t child = vfork();
  if (child == 0) {
    seen = 1;
    execl(self, "program", "again", "vforked", NULL);
    _exit(127);
  }
  VALUE(seen);
  int status;
  VALUE(waitpid(child, &status, 0) == child);
  show_status("a vforked program", status);
  char *arguments[] = {"program", "again", "spawned", NULL};
  SHOW(posix_spawn(&child, self, NULL, NULL, arguments, environ));
  VALUE(waitpid(child, &status, 0) == child);
  show_status("a spawned program", status);
  VALUE(posix_spawn(&child, "/nowhere", NULL, NULL, arguments, environ) == ENOENT);
  close(kept);
  close(closed);
}

// A descriptor that is closed by an execution tells that the new program is there: so Java starts processes.
static void announcements(void) {
  enum { ROUNDS = 50 };
  static const char expected[] = "program\0stay";
  int told = 0;
  for (int round = 0; round < ROUNDS; round++) {
    int ends[2];
    char byte, path[32], text[64] = "";
    pipe2(ends, O_CLOEXEC);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      // Others take their time to be closed after it.
      for (int others = 0; others < 500; others++)
        fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
      execl("/proc/self/exe", "program", "stay", NULL);
      _exit(127);
    }
    close(ends[1]);
    read(ends[0], &byte, 1);
    sprintf(path, "/proc/%d/cmdline", child);
    int file = open(path, O_RDONLY);
    told += read(file, text, sizeof text) == sizeof expected && !memcmp(text, expected, sizeof expected);
    close(file), close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  // Linux closes descriptors a moment before the new command line can be read, and seldom somebody looks between.
  VALUE(told > ROUNDS - 5);
}

static void *spin(void *flag) {
  while (!*(volatile int *)flag)
    ;
  return NULL;
}

static volatile int released;
static void release(int signal) {
  (void)signal;
  released = 1;
}

struct common {
  pthread_mutex_t lock;
  sem_t semaphore;
  int number;
};

static void *wait_for_lock(void *descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return (void *)(intptr_t)(fcntl(*(int *)descriptor, F_SETLKW, &lock) ? errno : 0);
}

// A record lock that is had once its descriptor is closed goes again.
static void closed_locks(void) {
  int descriptor = fileno(tmpfile()), kept = dup(descriptor), told[2], go[2];
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  char byte = 0;
  pipe(told), pipe(go);
  if (fork() == 0) {
    fcntl(descriptor, F_SETLK, &lock);
    write(told[1], &byte, 1);
    read(go[0], &byte, 1);
    _exit(0);
  }
  read(told[0], &byte, 1);
  pthread_t thread;
  void *error;
  pthread_create(&thread, NULL, wait_for_lock, &descriptor);
  usleep(50000);
  close(descriptor);
  write(go[1], &byte, 1);
  pthread_join(thread, &error);
  wait(NULL);
  VALUE((intptr_t)error == EBADF);
  IN_CHILD("a child that locks after it", SHOW(fcntl(kept, F_SETLK, &lock)));
}

// Who asks again for a lock that it holds keeps it all the time.
static void kept_lock(void) {
  volatile int *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int holder = fileno(tmpfile()), failed = 0;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", holder);
  int other = open(path, O_RDWR);
  SHOW(flock(holder, LOCK_EX));
  fflush(stdout);
  if (fork() == 0) {
    while (!*done)
      if (flock(other, LOCK_EX | LOCK_NB) == 0) _exit(1);
    _exit(0);
  }
  for (int i = 0; i < 20000; i++)
    failed += flock(holder, LOCK_EX | LOCK_NB) != 0;
  *done = 1;
  int status;
  wait(&status);
  show_status("who asks for a lock that is held", status);
  VALUE(failed);
}

// Tells its ID, and ends once the process got a signal.
static void *give_id(void *id) {
  *(volatile pid_t *)id = gettid();
  return spin((void *)&released);
}

static void locks(void) {
  // A thread that makes no system call hears of a signal.
  signal(SIGUSR1, release);
  pthread_t thread;
  pthread_create(&thread, NULL, spin, (void *)&released);
  usleep(20000);
  pthread_kill(thread, SIGUSR1);
  SHOW(pthread_join(thread, NULL));
  // To kill(2) the ID of any thread stands for its process.
  released = 0;
  volatile pid_t own = 0;
  pthread_create(&thread, NULL, give_id, (void *)&own);
  while (!own) usleep(1000);
  SHOW(kill(own, SIGUSR1));
  SHOW(pthread_join(thread, NULL));

  struct common *common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&common->lock, &attributes);
  sem_init(&common->semaphore, 1, 0);
  fflush(stdout);
  pid_t children[4];
  for (int i = 0; i < 4; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      sem_wait(&common->semaphore);
      for (int j = 0; j < 1000; j++) {
        pthread_mutex_lock(&common->lock);
        common->number++;
        pthread_mutex_unlock(&common->lock);
      }
      _exit(0);
    }
  }
  for (int i = 0; i < 4; i++)
    sem_post(&common->semaphore);
  for (int i = 0; i < 4; i++)
    VALUE(waitpid(children[i], NULL, 0) == children[i]);
  VALUE(common->number);
  IN_CHILD("an owner that dies", pthread_mutex_lock(&common->lock));
  VALUE(pthread_mutex_lock(&common->lock) == EOWNERDEAD);
  SHOW(pthread_mutex_consistent(&common->lock));
  SHOW(pthread_mutex_unlock(&common->lock));
  // Only the thread that forks is in the child.
  released = 0;
  pthread_create(&thread, NULL, spin, (void *)&released);
  IN_CHILD("a child of threads", {
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    while (fgets(line, sizeof line, status))
      if (strncmp(line, "Threads:", 8) == 0)
        printf("%s", line);
  });
  released = 1;
  pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
  if (argc > 2)
    return run_again(argc, argv);
  if (argc > 1)
    return pause();
  VALUE(getppid() != getpid());
  ends();
  memory();
  files();
  child_signals();
  groups();
  locks();
  closed_locks();
  kept_lock();
  executions();
  announcements();
  // Limits.
  struct rlimit limit = {0, 0};
  IN_CHILD("a user with too many", {
    SHOW(setuid(12345));
    SHOW(setrlimit(RLIMIT_NPROC, &limit));
    SHOW(fork());
  });
  return 0;
}
