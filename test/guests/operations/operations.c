// What applications ask of a kernel, one thing after the other, so that a benchmark can count the instructions of each.
//
// For each it prints "@operation NAME COUNT", and enters mark() before and after it has done it COUNT times.
#include "../conformance/show.h"
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

void mark(void);
// The benchmark knows it by its first bytes.
__asm__(".globl mark\n"
        "mark: movl $0x6b72616d, %eax\n"
        "movl $0x6f697461, %ecx\n"
        "ret\n");

// Does something `count` times, beforehand a tenth as often for what only the first time costs.
static void measure(const char *name, long count, void (*run)(long)) {
  run(count / 10);
  printf("@operation %s %ld\n", name, count);
  mark();
  run(count);
  mark();
}

static void get_pid(long count) {
  for (long i = 0; i < count; i++)
    syscall(SYS_getpid);
}

static uint32_t turn;

static void pass_turn(uint32_t from, uint32_t to, long count) {
  for (long i = 0; i < count; i++) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != from)
      syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
    __atomic_store_n(&turn, to, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

static void *other_turns(void *count) {
  pass_turn(1, 0, (long)count);
  return NULL;
}

// Each is one thread that wakes another and falls asleep.
static void futex_wake_ups(long count) {
  pthread_t other;
  turn = 0;
  pthread_create(&other, NULL, other_turns, (void *)(count / 2));
  pass_turn(0, 1, count / 2);
  pthread_join(other, NULL);
}

// A byte to another process and back.
static void pipe_round_trips(long count) {
  int there[2], back[2];
  char byte = 0;
  pipe(there), pipe(back);
  pid_t child = fork();
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &byte, 1) == 1)
      write(back[1], &byte, 1);
    _exit(0);
  }
  close(there[0]);
  for (long i = 0; i < count; i++) {
    write(there[1], &byte, 1);
    read(back[0], &byte, 1);
  }
  close(there[1]), close(back[0]), close(back[1]);
  waitpid(child, NULL, 0);
}

// The first touch of a page of anonymous memory.
static void page_faults(long count) {
  volatile char *memory = mmap(NULL, count * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise((void *)memory, count * 4096, MADV_NOHUGEPAGE);
  for (long i = 0; i < count; i++)
    memory[i * 4096] = 1;
  munmap((void *)memory, count * 4096);
}

static void forks(long count) {
  for (long i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0)
      _exit(0);
    waitpid(child, NULL, 0);
  }
}

static void *nothing(void *argument) { return argument; }

static void threads(long count) {
  for (long i = 0; i < count; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
  }
}

static const char page[] = "/usr/share/site/page";

// What web servers ask about each file that they send.
static void file_states(long count) {
  struct stat state;
  for (long i = 0; i < count; i++)
    stat(page, &state);
}

static void opened_files(long count) {
  for (long i = 0; i < count; i++)
    close(open(page, O_RDONLY | O_NONBLOCK));
}

// A request of 64 bytes, a header of 256 and a file of 1 KiB in one segment, as servers answer.
static void responses(long count) {
  int ends[2], on = 1, off = 0, file = open(page, O_RDONLY);
  char request[64] = {0}, header[256] = {0}, answer[sizeof header + 1024];
  connect_both(ends);
  for (long i = 0; i < count; i++) {
    off_t from = 0;
    send(ends[0], request, sizeof request, 0);
    recv(ends[1], request, sizeof request, 0);
    setsockopt(ends[1], IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    writev(ends[1], &(struct iovec){header, sizeof header}, 1);
    sendfile(ends[1], file, &from, 1024);
    setsockopt(ends[1], IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    recv(ends[0], answer, sizeof answer, MSG_WAITALL);
  }
  close(ends[0]), close(ends[1]), close(file);
}

// What a server's process asks for again and again, of files and memory of its own.
static void mixed_calls(long count) {
  int ends[2], epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  char byte = 0, bytes[64];
  uint32_t word = 0;
  struct stat state;
  pipe(ends);
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  for (long i = 0; i < count; i++) {
    write(ends[1], &byte, 1);
    epoll_wait(epoll, &event, 1, -1);
    read(ends[0], &byte, 1);
    stat(page, &state);
    int file = open(page, O_RDONLY);
    pread(file, bytes, sizeof bytes, 0);
    close(file);
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    volatile char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *memory = 1;
    munmap((void *)memory, 4096);
  }
  close(ends[0]), close(ends[1]), close(epoll);
}

// As many of them in all, by a process for each CPU at the same time.
static void mixed_calls_everywhere(long count) {
  long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  for (long i = 0; i < cpus; i++)
    if (fork() == 0) {
      mixed_calls(count / cpus);
      _exit(0);
    }
  for (long i = 0; i < cpus; i++)
    wait(NULL);
}

static void make_page(void) {
  char bytes[1024] = {0};
  mkdir("/usr", 0755), mkdir("/usr/share", 0755), mkdir("/usr/share/site", 0755);
  int file = open(page, O_CREAT | O_WRONLY, 0644);
  if (write(file, bytes, sizeof bytes) != sizeof bytes)
    perror(page);
  close(file);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  measure("getpid", 10000, get_pid);
  measure("futex wake-up", 2000, futex_wake_ups);
  measure("pipe round trip", 1000, pipe_round_trips);
  measure("page fault", 4000, page_faults);
  measure("fork + exit", 100, forks);
  measure("thread create", 500, threads);
  make_page();
  measure("stat", 2000, file_states);
  measure("open + close", 2000, opened_files);
  measure("HTTP response", 1000, responses);
  measure("mixed calls", 2000, mixed_calls_everywhere);
  puts("@end");
  pause();
}
