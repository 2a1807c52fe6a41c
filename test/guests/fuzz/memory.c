// Memory: an arena that the threads of a worker map, unmap and protect under each other's calls, and the addresses that calls are given.
#include "fuzz.h"
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SCRATCH ((uint8_t *)0x300000000000)

// Copies; stops without a word at an address that faults: the handler below goes on at `fault_end`.
__attribute__((naked, noinline)) static void copy_bytes(void *to, const void *from, size_t size) {
  (void)to, (void)from, (void)size;
  __asm__("mov %rdx, %rcx\n"
          ".globl fault_begin\nfault_begin:\n"
          "rep movsb\n"
          ".globl fault_end\nfault_end:\n"
          "ret\n");
}
extern const char fault_begin[], fault_end[];

void copy_or_fault(void *to, const void *from, size_t size) { copy_bytes(to, from, size); }

static void skip_fault(int signal, siginfo_t *info, void *context) {
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (registers[REG_RIP] == (greg_t)fault_begin) {
    registers[REG_RIP] = (greg_t)fault_end;
    return;
  }
  CALL(exit_group, 128 + signal);
}

// As the kernel takes it.
struct kernel_action {
  void *handler;
  word flags;
  void *restorer;
  word mask;
};
__attribute__((naked)) static void restore(void) { __asm__("mov $15, %eax\nsyscall"); }

void catch_faults(word flags) {
  struct kernel_action action = {skip_fault, SA_SIGINFO | SA_NODEFER | flags | 0x04000000 /* SA_RESTORER */, restore, 0};
  CALL(rt_sigaction, SIGSEGV, &action, 0, 8);
  CALL(rt_sigaction, SIGBUS, &action, 0, 8);
}

static void map(int page, int pages, int protection, int flags, int descriptor) {
  CALL(mmap, ARENA + page * PAGE, (size_t)pages * PAGE, protection, flags | MAP_FIXED, descriptor, 0);
}

void map_arena(struct thread *t) {
  (void)t;
  int regular = FIRST_DESCRIPTOR + REGULAR * PER_KIND, memory = FIRST_DESCRIPTOR + MEMORY_FILE * PER_KIND;
  map(0, 24, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  map(24, 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  map(32, 8, PROT_READ | PROT_WRITE, MAP_SHARED, regular);
  map(40, 6, PROT_READ | PROT_WRITE, MAP_PRIVATE, regular);
  map(46, 6, PROT_READ | PROT_WRITE, MAP_SHARED, memory);
  map(52, 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  map(54, 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  map(56, 4, PROT_READ, MAP_PRIVATE, FIRST_DESCRIPTOR + REGULAR * PER_KIND + 1);
}

void *map_scratch(int slot) {
  uint8_t *start = SCRATCH + (size_t)slot * 16 * SCRATCH_BYTES;
  CALL(mmap, start, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return start;
}

// Addresses that no call should get far with.
static const word odd[] = {
    0, 1, 8, 0xfff, 0x1000, 0xffff, 0x10000, 0x00007ffffffff000, 0x00007fffffffefff, 0x00007ffffffffff8, 0x0000800000000000,
    0x0000800000000008, 0x0100000000000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffff7fffffffffff, 0xffff800000000000,
    0xffff888000000000, 0xffffffff80000000, 0xffffffff80200000, 0xffffffff81000000, 0xfffffffffffff000, 0xfffffffffffffff8,
    0xffffffffffffffff, 0xffffffffff600000, 0x00000000ffffffff, 0x0000000080000000,
};

word any_address(struct thread *t) {
  switch (below(t, 8)) {
  case 0: return ONE_OF(t, odd);
  case 1: return next(t) >> below(t, 64);
  case 2: return (word)any_address; // code
  case 3: return (word)ARENA + below(t, ARENA_PAGES + 2) * PAGE - below(t, 64); // over the edge of a page
  default: return ((word)ARENA + below(t, ARENA_PAGES * PAGE)) & ~(once_in(t, 3) ? 0 : 7ul);
  }
}

word place(struct thread *t, const void *data, size_t size) {
  word to;
  switch (below(t, 16)) {
  case 0: to = (word)t->scratch + SCRATCH_BYTES - size; break; // ends with its page
  case 1: to = (word)t->scratch + SCRATCH_BYTES - (size ? below(t, size) : 0); break; // goes over it
  case 2: to = (word)ARENA + below(t, ARENA_PAGES * PAGE); break;
  case 3: to = (word)ARENA + below(t, ARENA_PAGES * PAGE / 8) * 8; break;
  case 4: return any_address(t);
  default:
    if (t->used + size + 16 > SCRATCH_BYTES / 2) t->used = 0;
    to = (word)t->scratch + t->used;
    t->used += (size + 15) & ~15ul;
  }
  copy_or_fault((void *)to, data, size);
  return to;
}
