// Memory: mappings of files that change, advice, residence, locks, limits, heaps that grow and move.
#include "show.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGE = 4096 };

static sigjmp_buf back;
static int caught;
static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  caught = signal * 100 + info->si_code;
  siglongjmp(back, 1);
}

// The byte at an address, or minus the signal and its code.
static int peek(const volatile char *address) {
  if (sigsetjmp(back, 1)) return -caught;
  return *address;
}

static int poke(volatile char *address, char value) {
  if (sigsetjmp(back, 1)) return -caught;
  *address = value;
  return 0;
}

static void *anonymous(size_t pages, int flags) {
  return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
}

// A digit for each page of a range: whether it is in memory.
static const char *residence(void *start, size_t pages) {
  static char text[64];
  unsigned char bytes[64];
  if (mincore(start, pages * PAGE, bytes)) return strerrorname_np(errno);
  for (size_t page = 0; page < pages; page++) text[page] = bytes[page] & 1 ? '1' : '0';
  text[pages] = 0;
  return text;
}

// A field of the process's /proc file, in KiB.
static long field(const char *file, const char *name) {
  char line[256];
  long value = -1;
  FILE *stream = fopen(file, "r");
  while (stream && fgets(line, sizeof line, stream))
    if (!strncmp(line, name, strlen(name))) value = strtol(line + strlen(name), NULL, 10);
  if (stream) fclose(stream);
  return value;
}

static void files(void) {
  int file = open("file", O_RDWR | O_CREAT, 0644);
  char page[PAGE];
  for (int index = 0; index < 4; index++) {
    memset(page, 'a' + index, PAGE);
    if (write(file, page, PAGE) != PAGE) return;
  }
  char *shared = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char *again = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, file, 0);
  char *private = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  char *later = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 2 * PAGE);
  VALUE(peek(shared) == 'a' && peek(again) == 'a' && peek(private) == 'a' && peek(later) == 'c');
  VALUE(poke(shared + 1, 'A'));
  VALUE(peek(again + 1));
  VALUE(peek(private + 1));
  VALUE(poke(private + 2, 'P'));
  VALUE(peek(shared + 2));
  SHOW(pwrite(file, "written", 7, 2 * PAGE));
  VALUE(peek(shared + 2 * PAGE));
  VALUE(peek(later));
  VALUE(poke(private + 3 * PAGE, 'Q'));
  VALUE(peek(shared + 4 * PAGE));
  VALUE(peek(private + 5 * PAGE));
  SHOW(pread(file, page, 3, 1));
  printf("%.1s\n", page);

  // What is cut off is gone for all, copies too; the rest of the last page is zero.
  SHOW(ftruncate(file, PAGE + 10));
  VALUE(peek(shared + PAGE + 9));
  VALUE(peek(shared + PAGE + 10));
  VALUE(peek(shared + 2 * PAGE));
  VALUE(peek(private + 3 * PAGE));
  VALUE(peek(private + 2));
  VALUE(peek(later));
  SHOW(ftruncate(file, 4 * PAGE));
  VALUE(peek(shared + 2 * PAGE));
  VALUE(peek(private + 3 * PAGE));
  VALUE(peek(later));
  SHOW(pwrite(file, "new", 3, 3 * PAGE));
  VALUE(peek(private + 3 * PAGE));
  SHOW(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
  VALUE(peek(shared));
  VALUE(peek(private + 2));

  SHOW(madvise(private, PAGE, MADV_DONTNEED));
  VALUE(peek(private + 2));
  SHOW(madvise(private, 6 * PAGE, MADV_REMOVE));
  SHOW(madvise(shared + 3 * PAGE, PAGE, MADV_REMOVE));
  VALUE(peek(again + 3 * PAGE));
  SHOW(madvise(shared, PAGE, MADV_FREE));
  SHOW(mprotect(again, PAGE, PROT_READ | PROT_WRITE));
  int reader = open("file", O_RDONLY);
  char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
  SHOW(mprotect(read_only, PAGE, PROT_READ | PROT_WRITE));
  VALUE(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED && errno == EACCES);
  SHOW(msync(shared, PAGE, MS_SYNC));
  SHOW(munmap(shared, 6 * PAGE));
  VALUE(peek(shared));
  close(file);
  close(reader);
}

static void advice(void) {
  char *memory = anonymous(8, MAP_PRIVATE);
  printf("%s\n", residence(memory, 8));
  memset(memory, 'x', 3 * PAGE);
  VALUE(peek(memory + 5 * PAGE));
  VALUE(residence(memory, 3)[2]);
  SHOW(madvise(memory + PAGE, PAGE, MADV_DONTNEED));
  printf("%s\n", residence(memory, 3));
  VALUE(peek(memory + PAGE));
  VALUE(peek(memory + 2 * PAGE));
  SHOW(madvise(memory + 1, PAGE, MADV_DONTNEED));
  SHOW(madvise(memory, 0, MADV_DONTNEED));
  SHOW(madvise(memory, 1, MADV_DONTNEED));
  VALUE(peek(memory));
  SHOW(madvise(memory, PAGE, 12345));
  SHOW(madvise(memory, 8 * PAGE, MADV_WILLNEED));
  SHOW(madvise(memory, 8 * PAGE, MADV_RANDOM));
  // Freed or not, what is written afterwards stays.
  SHOW(madvise(memory, 8 * PAGE, MADV_FREE));
  VALUE(poke(memory + 2 * PAGE, 'y'));
  VALUE(peek(memory + 2 * PAGE));
  SHOW(munmap(memory + 4 * PAGE, PAGE));
  SHOW(madvise(memory, 8 * PAGE, MADV_DONTNEED));
  VALUE(peek(memory + 2 * PAGE));
  VALUE(peek(memory + 7 * PAGE));
  SHOW(madvise(memory + 4 * PAGE, PAGE, MADV_NORMAL));
  SHOW(madvise(memory, 4 * PAGE, MADV_POPULATE_WRITE));
  printf("%s\n", residence(memory, 4));
  SHOW(madvise(memory, 6 * PAGE, MADV_POPULATE_READ));
  unsigned char bytes[8];
  SHOW(mincore(memory, 8 * PAGE, bytes));
  SHOW(mincore(memory + 1, PAGE, bytes));
  SHOW(mincore(memory, PAGE, NULL));
  SHOW(mincore(memory, 0, bytes));

  char *populated = anonymous(4, MAP_PRIVATE | MAP_POPULATE);
  printf("%s\n", residence(populated, 4));
  char *sealed = mmap(NULL, PAGE, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  VALUE(peek(sealed));
  VALUE(poke(sealed, 1));
  SHOW(mprotect(sealed, PAGE, PROT_READ));
  VALUE(peek(sealed));
  VALUE(poke(sealed, 1));
}

static void locks(void) {
  char *memory = anonymous(4, MAP_PRIVATE);
  SHOW(mlock(memory, 2 * PAGE));
  printf("%s\n", residence(memory, 2));
  VALUE(field("/proc/self/status", "VmLck:"));
  SHOW(madvise(memory, PAGE, MADV_DONTNEED));
  SHOW(mlock(memory, PAGE));
  SHOW(munlock(memory, PAGE));
  VALUE(field("/proc/self/status", "VmLck:"));
  SHOW(munlock(memory, 4 * PAGE));
  VALUE(field("/proc/self/status", "VmLck:"));
  SHOW(munmap(memory + PAGE, PAGE));
  SHOW(mlock(memory, 4 * PAGE));
  SHOW(munlock(memory, 4 * PAGE));
  SHOW(mlock2(memory + 2 * PAGE, PAGE, 2));
  char *large = anonymous(1024, MAP_PRIVATE);
  SHOW(mlock2(large, 1024 * PAGE, MLOCK_ONFAULT));
  VALUE(residence(large, 1)[0]);
  SHOW(munlockall());
  SHOW(mlockall(0));
  SHOW(mlockall(8));
}

static void limits(void) {
  struct rlimit limit;
  long now = field("/proc/self/status", "VmSize:") << 10;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = now + 64 * PAGE;
  SHOW(setrlimit(RLIMIT_AS, &limit));
  VALUE(anonymous(80, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
  char *fits = anonymous(32, MAP_PRIVATE);
  VALUE(fits != MAP_FAILED);
  VALUE(mremap(fits, 32 * PAGE, 128 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
  char *break_now = sbrk(0);
  VALUE(brk(break_now + 128 * PAGE) == -1 && errno == ENOMEM);
  // In place of what is there, more is not needed.
  VALUE(mmap(fits, 32 * PAGE, PROT_READ, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0) == fits);
  limit.rlim_cur = RLIM_INFINITY;
  SHOW(setrlimit(RLIMIT_AS, &limit));

  long data = field("/proc/self/status", "VmData:") << 10;
  getrlimit(RLIMIT_DATA, &limit);
  limit.rlim_cur = data + 64 * PAGE;
  SHOW(setrlimit(RLIMIT_DATA, &limit));
  VALUE(anonymous(96, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
  VALUE(mmap(NULL, 96 * PAGE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0) != MAP_FAILED);
  VALUE(anonymous(96, MAP_SHARED) != MAP_FAILED);
  VALUE(brk(break_now + 96 * PAGE) == -1 && errno == ENOMEM);
  limit.rlim_cur = RLIM_INFINITY;
  SHOW(setrlimit(RLIMIT_DATA, &limit));

  // More than there is can be reserved, and is not there until it is used.
  void *huge = mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  VALUE(huge != MAP_FAILED);
  SHOW(mprotect(huge, 1 << 20, PROT_READ | PROT_WRITE));
  VALUE(poke((char *)huge + PAGE, 7));
  SHOW(munmap(huge, 1UL << 40));
  VALUE(mmap(NULL, 1UL << 48, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  VALUE(mmap(NULL, -2L * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  VALUE(mmap(NULL, -PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  VALUE(mmap(NULL, -1L, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
}

static void moves(void) {
  char *memory = anonymous(4, MAP_PRIVATE);
  memset(memory, 'm', 4 * PAGE);
  char *moved = mremap(memory, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE);
  VALUE(peek(moved + 3 * PAGE));
  VALUE(peek(moved + 4 * PAGE));
  VALUE(poke(moved + 3 * PAGE, 'n'));
  VALUE(mremap(moved, 40 * PAGE, 2 * PAGE, 0) == moved);
  VALUE(peek(moved + PAGE));
  VALUE(peek(moved + 2 * PAGE));
  char *shared = anonymous(2, MAP_SHARED);
  VALUE(poke(shared, 's'));
  char *alias = mremap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE);
  VALUE(peek(alias));
  VALUE(poke(alias + PAGE, 't'));
  VALUE(peek(shared + PAGE));
  VALUE(peek(shared));
  VALUE(mremap(moved, 0, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
  VALUE(mremap(moved, 2 * PAGE, -2L * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
  VALUE(mremap(shared, 0, -2L * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
  char *start = sbrk(0);
  VALUE(sbrk(3 * PAGE) == start);
  memset(start, 'h', 3 * PAGE);
  VALUE(sbrk(-2 * PAGE) == start + 3 * PAGE);
  VALUE(sbrk(2 * PAGE) == start + PAGE);
  VALUE(peek(start));
  VALUE(peek(start + 2 * PAGE));
}

static char *place(void *address, size_t size, int flags) {
  return mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

// Low addresses, which compilers reach by 32 bits; and huge pages, of which there are none.
static void places(void) {
  const size_t size = 8 << 20;
  const uintptr_t first = 1ul << 30, end = 1ul << 31;
  char *low = place(NULL, size, MAP_32BIT), *other = place(NULL, size, MAP_32BIT);
  VALUE((uintptr_t)low >= first && (uintptr_t)low + size <= end);
  VALUE((uintptr_t)other >= first && (uintptr_t)other + size <= end);
  VALUE(low + size <= other || other + size <= low);
  VALUE(poke(low + size - 1, 1));
  VALUE(munmap(low + PAGE, size - PAGE));
  VALUE(place(low + 3 * PAGE, PAGE, MAP_32BIT) == low + 3 * PAGE);
  VALUE((uintptr_t)place(low, PAGE, MAP_32BIT) < end);
  VALUE((uintptr_t)place((void *)(end - PAGE), 2 * PAGE, MAP_32BIT) < end);
  VALUE((uintptr_t)place(NULL, PAGE, 0) > end);
  SHOW(place(NULL, end - first, MAP_32BIT));
  char *many = place(NULL, 300ul << 20, MAP_32BIT), *more = place(NULL, 300ul << 20, MAP_32BIT);
  VALUE((uintptr_t)many < end && (uintptr_t)more < end);
  SHOW(place(NULL, 600ul << 20, MAP_32BIT));

  SHOW(place(NULL, 2 << 20, MAP_HUGETLB));
  SHOW(place(NULL, PAGE, MAP_HUGETLB | MAP_32BIT));
  SHOW(place(NULL, 2 << 20, MAP_HUGETLB | 21 << MAP_HUGE_SHIFT));
  SHOW(place(NULL, 2 << 20, MAP_HUGETLB | 20 << MAP_HUGE_SHIFT));
  SHOW(place((void *)(first + PAGE), 2 << 20, MAP_HUGETLB | MAP_FIXED));
  int file = open("file", O_RDWR);
  SHOW(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_HUGETLB, file, 0));
}

// Flags that the kernel has to know, which is what `MAP_SHARED_VALIDATE` asks for.
static void validated(void) {
#define validate(flags, file) mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | (flags), file, 0)
  int file = open("validated", O_RDWR | O_CREAT | O_TRUNC, 0600), written = open("validated", O_WRONLY);
  ftruncate(file, PAGE);
  WORKS(validate(0, file));
  WORKS(validate(MAP_POPULATE | MAP_NORESERVE | MAP_STACK, file));
  SHOW(validate(MAP_SYNC, file));
  SHOW(validate(MAP_SYNC | MAP_POPULATE, file));
  SHOW(validate(1 << 21, file));
  SHOW(validate(1 << 21, written));
  SHOW(validate(MAP_SYNC, 1000));
  SHOW(validate(0, 1000));
  SHOW(validate(MAP_ANONYMOUS, -1));
  SHOW(validate(MAP_ANONYMOUS | MAP_SYNC, -1));
  SHOW(mmap((void *)(PAGE * 100000), PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, file, 0));
  // Elsewhere what is not known has no effect.
  WORKS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | 1 << 21, file, 0));
  close(file);
  close(written);
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  files();
  advice();
  locks();
  limits();
  moves();
  places();
  validated();
  return 0;
}
