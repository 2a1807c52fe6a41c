// What the fuzzer's parts share: the supervisor (main.c) forks workers (worker.c), whose threads make random calls (calls.c) with arguments
// (arguments.c) that lead to structures (structures.c), memory that all threads of a worker change (memory.c) and descriptors (descriptors.c).
#pragma once
#include "system.h"
#include <stdbool.h>

enum {
  PAGE = 4096,
  WORKERS = 4,          // at a time
  THREADS = 4,          // of a worker, at a time
  REMEMBERED = 16,      // calls of each thread
  ARENA_PAGES = 64,     // of memory that calls map, unmap and protect
  SCRATCH_BYTES = 65536,// of memory that a thread puts arguments into
  MOST_DESCRIPTORS = 160,
};

// A call that a thread has made or is making.
struct remembered {
  word number, arguments[6];
  long result; // RUNNING until it has returned
};
#define RUNNING ((long)0x8000000000000000)

// What a thread is seen to do by its worker, which wakes it from long waits, and by the supervisor, which says it when something is wrong.
struct record {
  word calls; // made since the start
  word done;  // has ended by itself
  int id;     // thread ID
  struct remembered last[REMEMBERED];
};

// What workers and the supervisor have in common.
struct board {
  word forks[WORKERS]; // processes that a worker and its children may still start
  word calls[WORKERS]; // made by each worker and its children
  struct record records[WORKERS][THREADS];
};

// A thread of a worker or the only one of a worker's child.
struct thread {
  word random;          // state of the generator
  int worker, slot, depth;
  word left;            // calls to be made
  bool alone;           // shares its memory with no other thread
  struct board *board;
  struct record *record;
  uint8_t *scratch;     // SCRATCH_BYTES, then nothing mapped
  size_t used;          // bytes of it by arguments of the call that is being made
  word last_size;       // bytes or elements of the last structure, for the argument that says so
};

// Random numbers (SplitMix64).
static inline word mix(word z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}
static inline word next(struct thread *t) { return mix(t->random += 0x9e3779b97f4a7c15); }
// One of `count`, from 0.
static inline word below(struct thread *t, word count) { return next(t) % count; }
// True once in `times` on average.
static inline bool once_in(struct thread *t, word times) { return below(t, times) == 0; }
#define ONE_OF(t, array) ((array)[below((t), sizeof(array) / sizeof *(array))])

// Kinds of arguments; those that end in `(data)` in calls.c carry a mask, a limit or a list.
enum kind {
  NONE, // not an argument: zero, or now and then anything
  ANYTHING, NUMBER, FLAGS,
  DESCRIPTOR, DIRECTORY, NEW_NUMBER,
  PATH, LINK_TARGET, ATTRIBUTE, NAME,
  BUFFER, SIZE, LAST_SIZE, SIZE_POINTER, OFFSET, OFFSET_POINTER,
  ADDRESS, LENGTH, NEW_LENGTH,
  SIGNAL, PROCESS, USER, CLOCK, MODE, TIMER, SEGMENT, WATCH,
  DURATION, TIMEVAL, FILE_TIMES, FILE_TIMEVALS, TIMER_VALUE, TIMER_TIMEVAL, MILLISECONDS,
  SIGNAL_SET, SET_SIZE, SET_WITH_SIZE, ACTION, SIGNAL_EVENT, SIGNAL_INFO, SIGNAL_STACK,
  VECTORS, MESSAGE, MESSAGES, SOCKET_ADDRESS, OPTION_LEVEL, OPTION_NAME, OPTION_VALUE,
  EPOLL_EVENT, POLL_DESCRIPTORS, DESCRIPTOR_SET, LIMIT, HOW_TO_OPEN, FUTEX_WORD, FUTEX_OPERATION,
  CAPABILITY_HEADER, CAPABILITIES, ROBUST_LIST, RSEQ_AREA, REQUEST, COMMAND, COMMAND_ARGUMENT, PRCTL_OPTION, GROUPS,
};
struct argument {
  enum kind kind;
  word data;
};

// A system call and what it expects.
struct call {
  short number;
  short weight; // 0: made by other means than from the table
  const char *name;
  struct argument arguments[6];
};
extern const struct call calls[];
extern const size_t call_count;
const char *call_name(word number);

// Kinds of descriptors: each has a few numbers of its own.
enum descriptor_kind {
  ANY_FILE, REGULAR, FOLDER, PIPE, STREAM, LISTENER, DATAGRAM, UNIX, NETLINK, EVENT, TIMER_FILE, SIGNAL_FILE, EPOLL, INOTIFY, MEMORY_FILE,
  DEVICE, GENERATED, BARE_PATH, DESCRIPTOR_KINDS,
};
enum { PER_KIND = 3, FIRST_DESCRIPTOR = 3 };
long begin_thread(word flags, uint8_t *stack_end, void (*function)(struct thread *), struct thread *t, word ids);
void make_descriptor(struct thread *t, enum descriptor_kind kind, int number);
void make_descriptors(struct thread *t);
int any_descriptor(struct thread *t, enum descriptor_kind preferred);

word argument(struct thread *t, const struct argument *wanted);

// Memory.
#define ARENA ((uint8_t *)0x200000000000)
void catch_faults(word flags);
void copy_or_fault(void *to, const void *from, size_t size);
void map_arena(struct thread *t);
void *map_scratch(int slot);
word any_address(struct thread *t);
word place(struct thread *t, const void *data, size_t size);

// Structures of the kind are built somewhere; returns where.
word structure(struct thread *t, enum kind kind, word data);
word path(struct thread *t);

// Calls that start, end or replace processes and threads.
void odd_call(struct thread *t);
void make_call(struct thread *t);
long make_known_call(struct thread *t, word number, const word arguments[6]);

// Makes a worker of this process; does not return.
_Noreturn void work(struct board *board, int worker, word seed, word count);
_Noreturn void work_alone(struct thread *t, word count);
// What an executed copy of the program does with its arguments.
_Noreturn void work_executed(char **arguments);
