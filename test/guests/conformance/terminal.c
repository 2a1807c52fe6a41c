// The line discipline: what becomes of bytes that are typed and written under each setting. A pseudo-terminal is the terminal.
#include "show.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static int master, slave;
static struct termios usual;

static void print(const char *name, const char *bytes, long count) {
  printf("%s %ld: ", name, count);
  for (long i = 0; i < count; i++) {
    unsigned char byte = bytes[i];
    if (byte == '\\' || byte < ' ' || byte > '~')
      printf("\\%02x", byte);
    else
      putchar(byte);
  }
  putchar('\n');
}

// Reads what is there without waiting, and says whether there was something. On Linux a worker passes bytes from one side to the other, which has done
// so with all of them when poll() finds nothing.
static int take(const char *name, int side) {
  char bytes[8192];
  struct pollfd ready = {side, POLLIN, 0};
  if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLIN)) return 0;
  long count = read(side, bytes, sizeof bytes);
  if (count < 0)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    print(name, bytes, count);
  return count >= 0;
}

// Shows what can be read, line by line, and what was written and echoed.
static void show(void) {
  while (take("  read", slave)) {}
  while (take("  out", master)) {}
}

static void type_bytes(const char *bytes, size_t count) {
  print("typed", bytes, count);
  write(master, bytes, count);
  show();
}

static void type(const char *bytes) { type_bytes(bytes, strlen(bytes)); }

static void set(tcflag_t input, tcflag_t output, tcflag_t local) {
  struct termios settings = usual;
  settings.c_iflag = input, settings.c_oflag = output, settings.c_lflag = local;
  printf("input %x, output %x, local %x\n", input, output, local);
  SHOW(tcsetattr(slave, TCSAFLUSH, &settings));
}

static void set_raw(int least, int tenths) {
  struct termios settings = usual;
  cfmakeraw(&settings);
  settings.c_cc[VMIN] = least, settings.c_cc[VTIME] = tenths;
  printf("raw, VMIN %d, VTIME %d\n", least, tenths);
  SHOW(tcsetattr(slave, TCSAFLUSH, &settings));
}

static void show_settings(int side) {
  struct termios settings;
  SHOW(tcgetattr(side, &settings));
  printf("%x %x %x %x\n", settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag);
  for (int i = 0; i < 17; i++) printf("%02x ", settings.c_cc[i]);
  printf("%d %d\n", settings.c_ispeed == settings.c_ospeed, settings.c_ospeed);
}

#define CANONICAL (ISIG | ICANON | IEXTEN)
#define ECHOING (CANONICAL | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE)

static void editing(void) {
  tcflag_t input = ICRNL | IXON, output = OPOST | ONLCR;
  set(input, output, ECHOING);
  type("hello\n");
  type("carriage\r");
  type("helo\177lo\n");
  type("\177\177nothing to erase\n");
  type("one two-three\027\027four\n");
  type("under_score x\027\027\n");
  type("words   \027end\n");
  type("killed\025line\n");
  type("a\tb\177\177c\n");
  type("\t\177x\n");
  type("a\tb\tc\177\177\177\177\177\n");
  type("control \001\002\177\177x\n");
  type("literal \026\003\026\004\026\177\n");
  type("reprint\022ed\n");
  type("two\nlines\n");
  type("partial");
  type("\004");
  type("\004");
  type("x\004\004");
  type("bell\007\n");
  type("escape\033[A\n");
  type_bytes("zero\0byte\n", 10);
  type("\303\244\177x\n");

  set(input | IUTF8, output, ECHOING);
  type("\303\244\342\202\254\177x\n");
  type("\303\244\342\202\254\025y\n");
  type("\342\202\254\tz\177\177\n");

  set(input, output, CANONICAL | ECHO | ECHOPRT | ECHOE | ECHOCTL);
  type("abc\177\177d\n");
  type("abc\177\177\177\n");
  type("abc\025d\n");
  set(input, output, CANONICAL | ECHO | ECHOK);
  type("abc\177d\n");
  type("abc\025d\n");
  type("\001\t\177\n");
  set(input, output, CANONICAL | ECHO | ECHOE);
  type("a\001b\177\177c\n");
  type("abc\025d\n");
  set(input, output, CANONICAL);
  type("silent\177\025quiet\n");
  set(input, output, CANONICAL | ECHONL);
  type("newline only\n");
  set(input, output, ICANON | ECHO | ECHOE | ECHOCTL);
  type("no \027 \026 \022 extensions\n");
  type("no \003 signals\n");
}

static void translation(void) {
  set(INLCR, OPOST | ONLCR, ECHOING);
  type("line\nfeed\004");
  set(IGNCR, OPOST | ONLCR, ECHOING);
  type("ig\rnored\n");
  set(ISTRIP | IUCLC, OPOST | OLCUC, ECHOING);
  type("UPPER \341\n");
  set(0, OPOST | OCRNL, ECHOING);
  type("cr\rnl\n");
  set(0, OPOST | ONOCR | ONLRET, ECHOING);
  type("\rno cr\r\n");
  set(0, OPOST | TAB3, ECHOING);
  type("a\tb\n");
  set(0, 0, ECHOING);
  type("a\tb\n");
  set(PARMRK, OPOST, ECHOING);
  type("\377mark\n");
  set(0, OPOST | ONLCR, 0);
  SHOW(write(slave, "plain\ntext\tof\b\rall kinds\n", 25));
  show();
  set(0, OPOST | ONLCR | TAB3, 0);
  SHOW(write(slave, "\ta\t\303\244\tb\n", 8));
  show();
  set(0, ONLCR, 0);
  SHOW(write(slave, "\n\n", 2));
  show();
}

static void ends_of_line(void) {
  struct termios settings = usual;
  settings.c_cc[VEOL] = ';', settings.c_cc[VEOL2] = ':';
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  type("a;b:c");
  type("\n");
  settings.c_cc[VERASE] = 0, settings.c_cc[VEOF] = '!';
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  type("x\177!");
}

static void reading(void) {
  char buffer[5000];
  set(ICRNL, OPOST, ICANON);
  write(master, "0123456789\nnext\n", 16);
  int available;
  struct pollfd readable = {slave, POLLIN, 0};
  SHOW(poll(&readable, 1, 1000));
  SHOW(ioctl(slave, FIONREAD, &available));
  VALUE(available);
  SHOW(read(slave, buffer, 0));
  SHOW(read(slave, buffer, 4));
  SHOW(read(slave, buffer, 7));
  SHOW(read(slave, buffer, sizeof buffer));
  write(master, "exact\004more\n", 11);
  SHOW(poll(&readable, 1, 1000));
  SHOW(ioctl(slave, FIONREAD, &available));
  VALUE(available);
  SHOW(read(slave, buffer, 5));
  SHOW(read(slave, buffer, sizeof buffer));
  SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
  SHOW(read(slave, buffer, sizeof buffer));
  write(master, "not yet", 7);
  SHOW(read(slave, buffer, sizeof buffer));
  SHOW(ioctl(slave, FIONREAD, &available));
  VALUE(available);
  SHOW(tcflush(slave, TCIFLUSH));
  write(master, "\n", 1);
  SHOW(poll(&readable, 1, 1000));
  SHOW(read(slave, buffer, sizeof buffer));
  // A line longer than the buffer keeps its end.
  memset(buffer, 'x', sizeof buffer);
  VALUE(write(master, buffer, 4500) == 4500);
  SHOW(read(slave, buffer, sizeof buffer));
  write(master, "yz\n", 3);
  SHOW(read(slave, buffer, sizeof buffer));
  print("end", buffer + 4090, 6);

  // From one mode to the other.
  write(master, "half", 4);
  SHOW(poll(&readable, 1, 0));
  struct termios settings;
  tcgetattr(slave, &settings);
  settings.c_lflag &= ~ICANON;
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  show();
  write(master, "whole", 5);
  SHOW(poll(&readable, 1, 0));
  settings.c_lflag |= ICANON;
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  show();

  set_raw(1, 0);
  SHOW(read(slave, buffer, 10));
  write(master, "\003\r\n\177\004", 5);
  show();
  set_raw(3, 0);
  struct pollfd ready = {slave, POLLIN, 0};
  write(master, "ab", 2);
  SHOW(poll(&ready, 1, 0));
  SHOW(read(slave, buffer, 10));
  write(master, "abc", 3);
  SHOW(poll(&ready, 1, 0));
  SHOW(read(slave, buffer, 10));
  set_raw(0, 0);
  SHOW(read(slave, buffer, 10));
  set_raw(0, 1);
  SHOW(read(slave, buffer, 10));
  SHOW(fcntl(slave, F_SETFL, 0));
  write(master, "ab", 2);
  SHOW(read(slave, buffer, 1));
  SHOW(read(slave, buffer, 10));
  SHOW(read(slave, buffer, 10));
  set_raw(0, 0);
  SHOW(read(slave, buffer, 10));
  set_raw(5, 1);
  write(master, "ab", 2);
  SHOW(read(slave, buffer, 10));
  write(master, "abcdefg", 7);
  SHOW(read(slave, buffer, 10));
  set_raw(5, 0);
  write(master, "ab", 2);
  SHOW(read(slave, buffer, 2));
}

static void flow(void) {
  char buffer[100];
  set(IXON, OPOST | ONLCR, ECHOING);
  SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
  struct pollfd ready = {slave, POLLOUT, 0};
  SHOW(poll(&ready, 1, 0));
  type("\023");
  SHOW(poll(&ready, 1, 0));
  SHOW(write(slave, "held", 4));
  type("unseen\n");
  type("\021");
  SHOW(write(slave, "freed", 5));
  show();
  set(IXON | IXANY, OPOST, ECHOING);
  type("\023");
  SHOW(write(slave, "held", 4));
  type("any\n");
  SHOW(write(slave, "freed", 5));
  show();
  type("\023");
  struct termios settings;
  tcgetattr(slave, &settings);
  settings.c_iflag = 0;
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  SHOW(write(slave, "freed", 5));
  show();
  SHOW(tcflow(slave, TCOOFF));
  SHOW(write(slave, "held", 4));
  SHOW(tcflow(slave, TCOON));
  SHOW(write(slave, "freed", 5));
  show();
  SHOW(tcflow(slave, TCIOFF));
  show();
  SHOW(tcflow(slave, TCION));
  show();
  SHOW(tcflow(slave, 7));
  SHOW(tcflush(slave, 7));
  write(master, "flushed\n", 8);
  ready.events = POLLIN;
  SHOW(poll(&ready, 1, 0));
  SHOW(tcflush(slave, TCIFLUSH));
  SHOW(read(slave, buffer, sizeof buffer));
  SHOW(tcdrain(slave));
  SHOW(tcsendbreak(slave, 0));
  SHOW(fcntl(slave, F_SETFL, 0));
}

static void controls(void) {
  struct winsize size = {1, 2, 3, 4};
  SHOW(ioctl(slave, TIOCGWINSZ, &size));
  printf("%d %d %d %d\n", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
  size = (struct winsize){24, 80, 5, 6};
  SHOW(ioctl(slave, TIOCSWINSZ, &size));
  size = (struct winsize){0};
  SHOW(ioctl(master, TIOCGWINSZ, &size));
  printf("%d %d %d %d\n", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
  SHOW(ioctl(slave, TIOCGWINSZ, NULL));
  SHOW(ioctl(slave, TCSETS, NULL));
  int number = 1;
  SHOW(ioctl(slave, TIOCOUTQ, &number));
  VALUE(number);
  SHOW(ioctl(slave, TIOCGETD, &number));
  VALUE(number);
  number = 0;
  SHOW(ioctl(slave, TIOCSETD, &number));
  number = 12345;
  SHOW(ioctl(slave, TIOCSETD, &number));
  SHOW(ioctl(slave, TIOCEXCL));
  SHOW(ioctl(slave, TIOCGEXCL, &number));
  VALUE(number);
  SHOW(ioctl(slave, TIOCNXCL));
  SHOW(ioctl(slave, TIOCGPGRP, &number));
  SHOW(ioctl(slave, TIOCGSID, &number));
  SHOW(ioctl(slave, TIOCNOTTY));
  number = getpgrp();
  SHOW(ioctl(slave, TIOCSPGRP, &number));
  SHOW(ioctl(slave, 0x5480 + 100, &number));
  SHOW(lseek(slave, 0, SEEK_CUR));
  SHOW(ftruncate(slave, 0));
  char byte;
  SHOW(pread(slave, &byte, 1, 0));
  VALUE(isatty(slave));
  VALUE(isatty(master));

  struct termios settings;
  tcgetattr(slave, &settings);
  cfsetspeed(&settings, B9600);
  settings.c_cflag = (settings.c_cflag & ~(CSIZE | CREAD)) | CS5 | PARENB | CSTOPB;
  SHOW(tcsetattr(slave, TCSANOW, &settings));
  show_settings(slave);
  SHOW(tcsetattr(slave, TCSANOW, &usual));
  show_settings(master);
}

int main(void) {
  setbuf(stdout, NULL);
  setsid();
  SHOW(openpty(&master, &slave, NULL, NULL, NULL) == 0);
  show_settings(slave);
  tcgetattr(slave, &usual);
  editing();
  translation();
  ends_of_line();
  reading();
  flow();
  controls();
  return 0;
}
