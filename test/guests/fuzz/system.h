// System calls without the C library's help: the fuzzer's threads have no thread-local storage, so that calls may change what it hangs on.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

typedef uint64_t word;

// A system call; returns what the kernel leaves in RAX: a negative error number when it fails.
static inline long system_call(long number, word a, word b, word c, word d, word e, word f) {
  register word r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#define CALL_7_(n, a, b, c, d, e, f, ...) \
  system_call((n), (word)(a), (word)(b), (word)(c), (word)(d), (word)(e), (word)(f))
// A call by its name, with as many arguments as it has: `CALL(dup3, from, to, 0)`.
#define CALL(name, ...) CALL_7_(SYS_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
