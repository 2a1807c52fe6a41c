// Files in memory and what they promise: `memfd_create(2)`, seals.
#include "show.h"
#include <sys/mman.h>

int main(void) {
  int file = WORKS(memfd_create("a", MFD_ALLOW_SEALING));
  SHOW(ftruncate(file, 8192));
  SHOW(fcntl(file, F_GET_SEALS));
  char *shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
  mprotect(shown, 4096, PROT_READ);
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(shown, 4096);
  shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
  shown[0] = 1;
  SHOW(fcntl(file, F_GET_SEALS));
  SHOW(write(file, "a", 1));
  WORKS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED);
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  SHOW(ftruncate(file, 4096));
  SHOW(ftruncate(file, 12288));
  SHOW(ftruncate(file, 8192));
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_SEAL));
  SHOW(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  SHOW(fcntl(file, F_ADD_SEALS, 0x1000));
  int plain = WORKS(memfd_create("b", 0));
  SHOW(fcntl(plain, F_GET_SEALS));
  SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW(fcntl(1, F_GET_SEALS));
  int later = WORKS(memfd_create("c", MFD_ALLOW_SEALING));
  SHOW(ftruncate(later, 4096));
  shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, later, 0);
  SHOW(fcntl(later, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  shown[0] = 'a';
  char byte = 0;
  SHOW(pread(later, &byte, 1, 0));
  VALUE(byte);
  SHOW(write(later, "a", 1));
}
