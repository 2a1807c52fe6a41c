// What the clock of the day tells of itself, and whom it lets keep it: adjtimex(2). Nothing is changed, for the clock is the machine's.
#include "show.h"

#include <sys/timex.h>

static struct timex ask(unsigned modes) { return (struct timex){.modes = modes}; }

static void refuse(unsigned modes) {
  struct timex record = ask(modes);
  printf("modes %x: ", modes);
  SHOW(adjtimex(&record));
}

int main(void) {
  struct timex record = ask(0);
  int state = adjtimex(&record);
  // Whether the host's clock is kept is not for a test to know.
  VALUE((state == TIME_ERROR) == ((record.status & (STA_UNSYNC | STA_CLOCKERR)) != 0));
  VALUE(record.precision);
  VALUE(record.tolerance);
  VALUE(record.maxerror >= 0 && record.maxerror <= 16000000);
  long unit = record.status & STA_NANO ? 1 : 1000;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double passed = now.tv_sec - record.time.tv_sec + (now.tv_nsec - record.time.tv_usec * unit) / 1e9;
  VALUE(passed > -0.001 && passed < 5);
  record = ask(0);
  VALUE(clock_adjtime(CLOCK_REALTIME, &record) == state);
  VALUE(ntp_adjtime(&record) == state);
  SHOW(syscall(SYS_adjtimex, NULL));
  for (int clock = -1; clock < 14; clock++)
    if (clock != CLOCK_REALTIME) {
      printf("clock %d: ", clock);
      SHOW(clock_adjtime(clock, &record));
    }
  SHOW(setresuid(1000, 1000, 1000));
  unsigned modes[] = {ADJ_OFFSET, ADJ_FREQUENCY, ADJ_MAXERROR,         ADJ_STATUS, ADJ_TAI, ADJ_TICK,
                      ADJ_NANO,   ADJ_SETOFFSET, ADJ_OFFSET_SINGLESHOT, 0x8000,    1 << 20};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) refuse(modes[i]);
  struct timeval left, more = {0, 1};
  SHOW(adjtime(NULL, &left));
  SHOW(adjtime(&more, NULL));
  return 0;
}
