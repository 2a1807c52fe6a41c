// The process that starts workers and looks after the machine.
#pragma once
#include "fuzz.h"

enum {
  SECONDS_TO_BE_SANE = 20,
  SECONDS_TO_DIE = 30,    // after SIGKILL
  // After the last process has ended. A connection with data for a peer that keeps its window closed is given up after 102 seconds; if the peer
  // was gone by then that is found out with the next probe.
  SECONDS_TO_BE_WHOLE = 240,
};

// What is in use; memory in KiB.
struct machine {
  long processes, descriptors, sockets, files, available, kernel;
};
void measure(struct machine *now);
void show_sockets(void);
// What memory is used for, connections that are ending among it.
void show_memory(void);
// Which files take memory.
void show_files(void);
// Notes which files are there before the first worker.
void remember(void);
// Removes what workers leave behind by right: files and System V's segments.
void clean(void);
bool is_sane(void);
// Says what is wrong; false.
__attribute__((format(printf, 1, 2))) bool complain(const char *format, ...);
