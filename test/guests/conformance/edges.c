// Paths and buffers that end where memory does, and calls that fail half way: nothing is lost, and nothing beyond is looked at.
#include "show.h"
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PAGE 4096

// A null pointer that the compiler does not know of.
static void *volatile nowhere;

// Two pages; the second is not there, or cannot be written.
static char *edge(int protection) {
  char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + PAGE, PAGE, protection);
  return pages;
}

// The text, so that its last byte is the last of the first page.
static char *before_edge(char *pages, const char *text, size_t length) {
  return memcpy(pages + PAGE - length, text, length);
}

// "././…/" and what follows, of so many bytes.
static char *padded(char *buffer, size_t length, const char *end) {
  size_t rest = length - strlen(end);
  for (size_t i = 0; i < rest; i++)
    buffer[i] = i % 2 ? '/' : '.';
  if (rest % 2)
    buffer[rest - 1] = '/';
  strcpy(buffer + rest, end);
  return buffer;
}

static void paths(void) {
  char *pages = edge(PROT_NONE), *long_path = malloc(3 * PAGE), name[256];
  struct stat state;
  SHOW(stat(before_edge(pages, "file", 5), &state));
  SHOW(stat(before_edge(pages, "file", 4), &state));
  SHOW(open(before_edge(pages, "none", 4), O_RDONLY));
  SHOW(readlink(before_edge(pages, "link", 4), name, sizeof name));
  SHOW(stat(before_edge(pages, "", 1), &state));
  for (size_t length = 120; length <= 136; length++) {
    printf("%zu ", length);
    SHOW(stat(padded(long_path, length, "file"), &state));
  }
  for (size_t length = 4090; length <= 4097; length++) {
    printf("%zu ", length);
    SHOW(stat(padded(long_path, length, "file"), &state));
  }
  memset(long_path, 'x', 300);
  long_path[255] = 0;
  SHOW(stat(long_path, &state));
  long_path[255] = 'x', long_path[256] = 0;
  SHOW(stat(long_path, &state));
  SHOW(stat("file/", &state));
  SHOW(stat("file/.", &state));
  SHOW(stat("folder//..//file", &state));
  SHOW(stat("folder/../none/../file", &state));
  SHOW(stat("link", &state));
  VALUE(S_ISREG(state.st_mode));
  SHOW(lstat("link", &state));
  VALUE(S_ISLNK(state.st_mode));
  SHOW(lstat("link/", &state));
  SHOW(stat("to-folder/./", &state));
  VALUE(S_ISDIR(state.st_mode));
  SHOW(lstat("to-folder/", &state));
  VALUE(S_ISDIR(state.st_mode));
  SHOW(stat("loop", &state));
  SHOW(stat("dangling", &state));
  SHOW(stat("", &state));
  SHOW(stat(nowhere, &state));
  free(long_path);
}

static void results(void) {
  char *pages = edge(PROT_READ), target[3] = {0};
  SHOW(stat("file", nowhere));
  SHOW(stat("none", nowhere));
  SHOW(stat("file", (struct stat *)(pages + PAGE)));
  SHOW(stat("file", (struct stat *)(pages + PAGE - 8)));
  SHOW(fstat(0x7fff, (struct stat *)pages));
  int file = open("file", O_RDONLY);
  SHOW(fstat(file, (struct stat *)(pages + PAGE)));
  SHOW(fstat(file, nowhere));
  SHOW(fstatat(file, "", (struct stat *)pages, AT_EMPTY_PATH));
  SHOW(fstatat(AT_FDCWD, "file", (struct stat *)pages, 0x10000000));
  SHOW(fstatat(file, "file", (struct stat *)pages, 0));
  SHOW(fstatat(0x7fff, "file", (struct stat *)pages, 0));
  SHOW(readlink("link", nowhere, 10));
  SHOW(readlink("link", target, 2));
  puts(target);
  SHOW(readlink("link", target, 0));
  SHOW(readlink("file", target, 2));
  close(file);
}

static void opened(void) {
  SHOW(open("folder", O_RDWR));
  SHOW(open("file", O_RDONLY | O_DIRECTORY));
  SHOW(open("link", O_RDONLY | O_NOFOLLOW));
  SHOW(open("file/", O_RDONLY));
  SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
  WORKS(open("fifo", O_RDONLY | O_NONBLOCK));
  SHOW(open("none", O_RDONLY));
  int file = WORKS(open("link", O_RDWR | O_CLOEXEC | O_APPEND));
  VALUE(fcntl(file, F_GETFL) & ~O_LARGEFILE & (O_ACCMODE | O_APPEND | O_CLOEXEC));
  VALUE(fcntl(file, F_GETFD));
  SHOW(write(file, "!", 1));
  VALUE(lseek(file, 0, SEEK_CUR));
}

// An edge-triggered event that cannot be written is told again.
static void events(void) {
  char *pages = edge(PROT_READ);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 7};
  int epoll = epoll_create1(0), pipes[2][2];
  for (int i = 0; i < 2; i++) {
    pipe(pipes[i]);
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[i][0], &event);
    write(pipes[i][1], "x", 1);
  }
  SHOW(epoll_wait(epoll, (struct epoll_event *)(pages + PAGE), 4, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 1, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 4, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 4, 0));
  // There is room for one of two.
  write(pipes[0][1], "x", 1), write(pipes[1][1], "x", 1);
  SHOW(epoll_wait(epoll, (struct epoll_event *)(pages + PAGE) - 1, 4, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 4, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 4, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, 0, 0));
  SHOW(epoll_wait(epoll, (struct epoll_event *)pages, -1, 0));
  SHOW(epoll_wait(pipes[0][0], (struct epoll_event *)pages, 4, 0));
}

static void received(void) {
  int ends[2], number = 1;
  char buffer[64] = {0}, *pages = edge(PROT_NONE);
  connect_both(ends);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  SHOW(recv(0, buffer, sizeof buffer, 0));
  SHOW(recv(0x7fff, buffer, sizeof buffer, 0));
  SHOW(send(ends[0], "sixteen letters.", 16, 0));
  SHOW(recv(ends[1], nowhere, 4, 0));
  SHOW(recv(ends[1], buffer, 0, 0));
  SHOW(recv(ends[1], buffer, 3, MSG_PEEK));
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  puts(buffer);
  SHOW(setsockopt(ends[0], IPPROTO_IP, IP_TOS, &number, 0));
  SHOW(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &number, 3));
  SHOW(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, nowhere, 4));
  SHOW(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &number, 4));
  SHOW(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, pages + PAGE, 4));
  SHOW(setsockopt(0, SOL_SOCKET, SO_KEEPALIVE, &number, 4));

  struct iovec vectors[12];
  for (int i = 0; i < 12; i++)
    vectors[i] = (struct iovec){"abcdefghijkl" + i, i % 3};
  for (int count = 0; count <= 12; count += 4)
    SHOW(writev(ends[0], vectors, count));
  memset(buffer, 0, sizeof buffer);
  SHOW(recv(ends[1], buffer, sizeof buffer, 0));
  puts(buffer);
  SHOW(writev(ends[0], nowhere, 2));
  vectors[1].iov_len = (size_t)-1;
  SHOW(writev(ends[0], vectors, 2));
  SHOW(writev(ends[0], vectors, -1));
  SHOW(writev(ends[0], vectors, 1025));

  // Datagrams of no bytes are datagrams.
  int datagrams[2];
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagrams);
  SHOW(send(datagrams[0], "", 0, 0));
  SHOW(send(datagrams[0], "four", 4, 0));
  SHOW(recv(datagrams[1], buffer, sizeof buffer, 0));
  SHOW(recv(datagrams[1], buffer, 2, 0));
  SHOW(recv(datagrams[1], buffer, sizeof buffer, 0));
  close(ends[1]);
  signal(SIGPIPE, SIG_IGN);
  usleep(10000);
  send(ends[0], "x", 1, 0);
  usleep(10000);
  // It has ended before it was reset.
  SHOW(recv(ends[0], buffer, sizeof buffer, 0));
  SHOW(send(ends[0], "x", 1, 0));
  SHOW(recv(ends[0], buffer, sizeof buffer, 0));
}

static void sent_files(void) {
  int ends[2], file = open("file", O_RDONLY);
  char buffer[64] = {0}, *pages = edge(PROT_READ);
  off_t offset = 2;
  connect_both(ends);
  SHOW(sendfile(ends[0], file, &offset, 3));
  VALUE(offset);
  for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
    fcntl(ends[0], F_SETFL, nonblocking ? O_NONBLOCK : 0);
    SHOW(sendfile(ends[0], file, &offset, 2));
    VALUE(offset);
    SHOW(sendfile(ends[0], file, NULL, 4));
    VALUE(lseek(file, 0, SEEK_CUR));
    SHOW(sendfile(ends[0], file, &offset, 100));
    VALUE(offset);
    SHOW(sendfile(ends[0], file, &offset, 100));
    SHOW(sendfile(ends[0], file, &offset, 0));
    offset = -1;
    SHOW(sendfile(ends[0], file, &offset, 1));
    offset = 0;
    SHOW(sendfile(ends[0], file, (off_t *)(pages + PAGE), 1));
    SHOW(sendfile(ends[0], ends[1], NULL, 1));
    SHOW(sendfile(ends[0], 0x7fff, NULL, 1));
  }
  usleep(10000);
  SHOW(recv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT));
  puts(buffer);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  enter_scratch();
  int file = open("file", O_CREAT | O_WRONLY, 0600);
  write(file, "0123456789", 10);
  close(file);
  mkdir("folder", 0700), mkfifo("fifo", 0600);
  symlink("file", "link"), symlink("folder", "to-folder"), symlink("loop", "loop"), symlink("none", "dangling");
  // Standard input is no socket, whatever started this.
  dup2(open("file", O_RDONLY), 0);
  paths();
  results();
  opened();
  events();
  received();
  sent_files();
}
