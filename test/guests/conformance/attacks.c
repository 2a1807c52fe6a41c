// What an application may try against itself and against the kernel. Each attempt ends as on Linux, and the program goes on.
#include "show.h"
#include <dirent.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile uintptr_t target;

static void caught(int signal, siginfo_t *info, void *context) {
  (void)context;
  const char *where = (uintptr_t)info->si_addr == target ? "there" : info->si_addr ? "elsewhere" : "nowhere";
  printf("signal %d, code %d, %s\n", signal, info->si_code, where);
  siglongjmp(back, 1);
}

// Tries something that has to end in a signal.
#define TRY(name, address, ...)               \
  do {                                        \
    target = (uintptr_t)(address);            \
    printf("%s: ", name);                     \
    if (!sigsetjmp(back, 1)) {                \
      __VA_ARGS__;                            \
      puts("it worked");                      \
    }                                         \
  } while (0)

// The compiler must not know what lies there.
static uintptr_t hidden(uintptr_t address) {
  __asm__ volatile("" : "+r"(address));
  return address;
}
#define READ(p) ((void)*(volatile char *)hidden((uintptr_t)(p)))
#define WRITE(p) (*(volatile char *)hidden((uintptr_t)(p)) = 0)
#define JUMP(p) (((void (*)(void))hidden((uintptr_t)(p)))())
#define DO(text) __asm__ volatile(text ::: "memory", "rax", "rcx", "rdx", "rbx", "cc")

static unsigned char data[64] = {0xc3};

static const uintptr_t kernel[] = {
    0xffffffff80000000, 0xffffffff81000000, 0xffff888000000000, 0xffff800000000000, 0xfffffffffffff000,
};
// Not canonical, whether addresses have 48 bits or 57.
static const uintptr_t outside = 0x0100000000000000;
// Where a pointer of a system call must not lead: the kernel, out of the canonical addresses, over the end of user memory, nowhere.
static const uintptr_t bad[] = {
    0xffffffff81000000, 0xffff888000000000, 0xffff800000000000, 0x0000800000000000, 0x00007ffffffff000,
    0x00007fffffffeffe, 0x10, 0xfffffffffffffff8,
};

static void memory(void) {
  TRY("write code", memory, WRITE(memory));
  TRY("write a constant", "constant", WRITE("constant"));
  TRY("execute data", data, JUMP(data));
  unsigned char stack[64] = {0xc3};
  TRY("execute the stack", stack, JUMP(stack));
  unsigned char *heap = malloc(64);
  *heap = 0xc3;
  TRY("execute the heap", heap, JUMP(heap));
  unsigned char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *map = 0xc3;
  TRY("execute a mapping", map, JUMP(map));
  mprotect(map, 4096, PROT_NONE);
  TRY("read what may not be read", map, READ(map));
  munmap(map, 4096);
  TRY("read what is gone", map, READ(map));
  SHOW(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
  TRY("read page zero", 8, READ(8));
  TRY("write page zero", 0, WRITE(NULL));
  TRY("execute page zero", 0, JUMP(0));
  for (volatile size_t i = 0; i < sizeof kernel / sizeof *kernel; i++) {
    TRY("read the kernel", kernel[i], READ(kernel[i]));
    TRY("write the kernel", kernel[i], WRITE(kernel[i]));
    TRY("execute the kernel", kernel[i], JUMP(kernel[i]));
  }
  TRY("read out of the addresses", outside, READ(outside));
  TRY("execute out of the addresses", outside, JUMP(outside));
}

static int overflow(int depth) {
  volatile char filler[4096];
  filler[depth % 4096] = (char)depth;
  return hidden(1) ? overflow(depth + 1) + filler[0] : 0;
}

static void overflow_stack(void) {
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  printf("overflow the stack: ");
  target = 1;
  if (!sigsetjmp(back, 1)) printf("%d\n", overflow(0));
  alternate.ss_flags = SS_DISABLE;
  sigaltstack(&alternate, NULL);
}

static void instructions(void) {
  TRY("cli", 0, DO("cli"));
  TRY("sti", 0, DO("sti"));
  TRY("hlt", 0, DO("hlt"));
  TRY("in", 0, DO("mov $0x3f8, %%dx; in %%dx, %%al"));
  TRY("out", 0, DO("mov $0x501, %%dx; mov $1, %%eax; out %%eax, %%dx"));
  TRY("outsb", 0, __asm__ volatile("mov $0xe9, %%dx; outsb" ::"S"("x") : "rdx", "memory"));
  TRY("mov from cr0", 0, DO("mov %%cr0, %%rax"));
  TRY("mov to cr0", 0, DO("xor %%eax, %%eax; mov %%rax, %%cr0"));
  TRY("mov to cr3", 0, DO("xor %%eax, %%eax; mov %%rax, %%cr3"));
  TRY("mov to cr4", 0, DO("xor %%eax, %%eax; mov %%rax, %%cr4"));
  TRY("mov to dr7", 0, DO("xor %%eax, %%eax; mov %%rax, %%dr7"));
  TRY("rdmsr", 0, DO("mov $0xc0000082, %%ecx; rdmsr"));
  TRY("wrmsr", 0, DO("mov $0xc0000082, %%ecx; wrmsr"));
  TRY("lgdt", 0, DO("lgdt (%%rsp)"));
  TRY("lidt", 0, DO("lidt (%%rsp)"));
  TRY("ltr", 0, DO("mov $8, %%eax; ltr %%ax"));
  TRY("invlpg", 0, DO("invlpg (%%rsp)"));
  TRY("wbinvd", 0, DO("wbinvd"));
  TRY("swapgs", 0, DO("swapgs"));
  TRY("sysret", 0, DO("sysretq"));
  TRY("a kernel segment", 0, DO("mov $0x10, %%eax; mov %%ax, %%ds"));
  TRY("int 0x20", 0, DO("int $0x20"));
  TRY("int 0x8", 0, DO("int $8"));
  TRY("ud2", 0, DO("ud2"));
  TRY("divide by zero", 0, DO("xor %%ecx, %%ecx; mov $1, %%eax; cdq; div %%ecx"));
  SHOW(syscall(SYS_arch_prctl, 0x1002, kernel[0]));
  SHOW(syscall(SYS_arch_prctl, 0x1001, outside));
}

// A handler that sends the thread back to where it must not go.
static void send_back(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (greg_t)target;
}

static void returns(void) {
  struct sigaction action = {.sa_sigaction = send_back, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  TRY("return into the kernel", kernel[0], raise(SIGUSR1));
  TRY("return out of the addresses", outside, raise(SIGUSR1));
}

static void pointers(int file, int sockets[2]) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    void *p = (void *)bad[i];
    printf("pointer %zu\n", i);
    struct iovec vector = {p, 100};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct msghdr control = {.msg_control = p, .msg_controllen = 64};
    struct msghdr name = {.msg_name = p, .msg_namelen = 20, .msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1};
    SHOW(pread(file, p, 100, 0));
    SHOW(pwrite(file, p, 100, 0));
    SHOW(preadv(file, &vector, 1, 0));
    SHOW(pwritev(file, &vector, 1, 0));
    SHOW(readv(file, p, 1));
    SHOW(open(p, O_RDONLY));
    SHOW(syscall(SYS_stat, p, p));
    SHOW(syscall(SYS_stat, ".", p));
    SHOW(syscall(SYS_fstat, file, p));
    SHOW(statx(AT_FDCWD, ".", 0, STATX_BASIC_STATS, p));
    SHOW(statfs(".", p));
    SHOW(syscall(SYS_getcwd, p, 100));
    SHOW(readlink("/proc/self/exe", p, 100));
    SHOW(mkdir(p, 0700));
    SHOW(rename("x", p));
    SHOW(syscall(SYS_utimensat, AT_FDCWD, ".", p, 0));
    SHOW(syscall(SYS_uname, p));
    SHOW(syscall(SYS_sysinfo, p));
    SHOW(syscall(SYS_times, p));
    SHOW(syscall(SYS_getrlimit, RLIMIT_STACK, p));
    SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, p, NULL));
    SHOW(syscall(SYS_getrusage, RUSAGE_SELF, p));
    SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p));
    SHOW(syscall(SYS_nanosleep, p, NULL));
    SHOW(syscall(SYS_poll, p, 1, 0));
    SHOW(syscall(SYS_ppoll, NULL, 0, p, NULL, 0));
    SHOW(syscall(SYS_select, 1, p, NULL, NULL, NULL));
    SHOW(syscall(SYS_pselect6, 0, NULL, NULL, NULL, p, NULL));
    SHOW(syscall(SYS_futex, p, FUTEX_WAIT, 0, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR2, p, NULL, 8));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR2, NULL, p, 8));
    SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8));
    SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, p, 8));
    SHOW(syscall(SYS_sigaltstack, p, NULL));
    SHOW(syscall(SYS_sigaltstack, NULL, p));
    SHOW(syscall(SYS_getrandom, p, 16, 0));
    SHOW(syscall(SYS_prctl, PR_SET_NAME, p));
    SHOW(syscall(SYS_prctl, PR_GET_NAME, p));
    SHOW(syscall(SYS_sched_getaffinity, 0, 128, p));
    SHOW(syscall(SYS_capget, p, NULL));
    SHOW(syscall(SYS_pipe2, p, 0));
    SHOW(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, p));
    SHOW(bind(sockets[0], p, 20));
    SHOW(getsockname(sockets[0], p, &(socklen_t){20}));
    SHOW(getsockname(sockets[0], (void *)data, p));
    SHOW(setsockopt(sockets[0], SOL_SOCKET, SO_KEEPALIVE, p, 4));
    SHOW(getsockopt(sockets[0], SOL_SOCKET, SO_TYPE, p, &(socklen_t){4}));
    SHOW(send(sockets[0], p, 100, MSG_DONTWAIT));
    SHOW(sendmsg(sockets[0], p, MSG_DONTWAIT));
    SHOW(sendmsg(sockets[0], &message, MSG_DONTWAIT));
    SHOW(sendmsg(sockets[0], &control, MSG_DONTWAIT));
    SHOW(sendmsg(sockets[0], &name, MSG_DONTWAIT));
    WORKS(write(sockets[1], "abc", 3));
    SHOW(recv(sockets[0], p, 100, MSG_DONTWAIT));
    SHOW(recvmsg(sockets[0], p, MSG_DONTWAIT));
    SHOW(recvmsg(sockets[0], &message, MSG_DONTWAIT));
    char drain[8];
    while (recv(sockets[0], drain, sizeof drain, MSG_DONTWAIT) > 0) continue;
    SHOW(syscall(SYS_getdents64, WORKS(open(".", O_RDONLY)), p, 4096));
    SHOW(syscall(SYS_mincore, data, 4096, p) == -1);
    SHOW(syscall(SYS_execve, p, NULL, NULL));
    SHOW(syscall(SYS_execve, "/proc/self/exe", p, NULL));
    SHOW(syscall(SYS_setgroups, 1, p));
    SHOW(syscall(SYS_set_robust_list, p, 24));
    SHOW(syscall(SYS_set_robust_list, NULL, 24));
    SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, p, data));
    SHOW(syscall(SYS_ioctl, file, 0x541b, p));
    SHOW(syscall(SYS_getxattr, ".", p, p, 10));
  }
}

static void lengths(int file, int sockets[2]) {
  char *buffer = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(buffer + 4096, 4096, PROT_NONE);
  SHOW(pread(file, buffer, SIZE_MAX, 0));
  SHOW(pwrite(file, buffer, SIZE_MAX, 0));
  SHOW(pwrite(file, (char *)kernel[0] - 100, SIZE_MAX, 0));
  SHOW(pwrite(file, "x", 1, INT64_MAX));
  SHOW(pread(file, buffer, 1, INT64_MIN));
  struct iovec vectors[3] = {{buffer, SIZE_MAX}, {buffer, 1}, {buffer, SSIZE_MAX}};
  SHOW(readv(file, vectors, 1));
  SHOW(readv(file, vectors, -1));
  SHOW(readv(file, vectors, 1025));
  vectors[0].iov_len = SSIZE_MAX;
  SHOW(writev(sockets[0], vectors, 3) == 0);
  SHOW(syscall(SYS_getcwd, buffer, SIZE_MAX) > 0);
  SHOW(syscall(SYS_getrandom, buffer, SIZE_MAX, 0));
  SHOW(mmap(NULL, SIZE_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 0x7fffffffffff, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap((void *)0xfffffffffff000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap((void *)kernel[0], 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, INT64_MIN) == MAP_FAILED ? -1 : 0);
  SHOW(munmap((void *)0x7fffffffe000, SIZE_MAX));
  SHOW(munmap((void *)kernel[0], 4096));
  SHOW(mprotect((void *)0x1000, SIZE_MAX - 0x1000, PROT_READ));
  SHOW(mprotect((void *)kernel[0], 4096, PROT_READ | PROT_WRITE));
  SHOW(madvise((void *)kernel[0], 4096, MADV_DONTNEED));
  SHOW(mremap((void *)kernel[0], 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
  SHOW(mremap(buffer, 4096, SIZE_MAX, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
  SHOW((void *)syscall(SYS_brk, kernel[0]) == sbrk(0));
  SHOW(setsockopt(sockets[0], SOL_SOCKET, SO_KEEPALIVE, buffer, (socklen_t)-1));
  SHOW(bind(sockets[0], (void *)buffer, (socklen_t)-1));
  SHOW(bind(sockets[0], (void *)buffer, 4096));
  SHOW(syscall(SYS_poll, buffer, SIZE_MAX, 0));
  SHOW(syscall(SYS_select, -1, NULL, NULL, NULL, NULL));
  SHOW(syscall(SYS_setgroups, 65537, buffer));
  SHOW(lseek(file, INT64_MAX, SEEK_SET) == INT64_MAX || 1);
  SHOW(ftruncate(file, -1));
  SHOW(syscall(SYS_sched_setaffinity, 0, SIZE_MAX, kernel[0]));
  SHOW(syscall(99999));
  SHOW(syscall(-1L));
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  int file = WORKS(open("file", O_RDWR | O_CREAT, 0600));
  WORKS(ftruncate(file, 1000));
  int sockets[2];
  WORKS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
  chmod(".", 0777);
  if (getuid() == 0 && (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))) return 1;
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGTRAP, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  memory();
  overflow_stack();
  instructions();
  returns();
  pointers(file, sockets);
  lengths(file, sockets);
  puts("and goes on");
  return 0;
}
