// Files and directories: open, read and write at offsets, names, attributes, locks.
#include "show.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static void show_status(const char *path) {
  struct stat status;
  if (lstat(path, &status)) {
    printf("%s %s\n", path, strerrorname_np(errno));
    return;
  }
  printf("%s %o links %ld", path, status.st_mode, (long)status.st_nlink);
  if (S_ISREG(status.st_mode)) printf(" size %ld", (long)status.st_size);
  printf("\n");
}

static int by_name(const void *left, const void *right) { return strcmp(*(char *const *)left, *(char *const *)right); }

static void list(const char *path) {
  DIR *directory = opendir(path);
  char *names[64];
  int count = 0;
  struct dirent *entry;
  while ((entry = readdir(directory)) && count < 64) {
    if (asprintf(&names[count], "%s:%d", entry->d_name, entry->d_type) >= 0) count++;
  }
  closedir(directory);
  qsort(names, count, sizeof *names, by_name);
  for (int index = 0; index < count; index++) printf("%s ", names[index]);
  printf("\n");
}

int main(void) {
  setbuf(stdout, NULL);
  enter_scratch();
  char buffer[64];
  SHOW(open("missing", O_RDONLY));
  int file = WORKS(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
  SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
  SHOW(open("a/b", O_RDONLY));
  SHOW(open("a/", O_RDONLY));
  SHOW(open(".", O_RDWR));
  SHOW(open("a", O_RDONLY | O_DIRECTORY));
  SHOW(open("", O_RDONLY));
  SHOW(open((char *)8, O_RDONLY));
  SHOW(write(file, "0123456789", 10));
  SHOW(lseek(file, -3, SEEK_END));
  SHOW(read(file, buffer, 64));
  SHOW(pread(file, buffer, 4, 2));
  printf("%.4s\n", buffer);
  SHOW(pwrite(file, "xy", 2, 12));
  SHOW(pread(file, buffer, 64, 0));
  VALUE(buffer[10] + buffer[11]);
  SHOW(pread(file, buffer, 1, -1));
  SHOW(lseek(file, -1, SEEK_SET));
  SHOW(lseek(file, 0, 99));
  SHOW(lseek(file, 0, SEEK_CUR));
  SHOW(lseek(file, 100, SEEK_DATA));
  SHOW(lseek(file, 14, SEEK_HOLE));
  // Memory's devices stay at 0.
  for (const char **device = (const char *[]){"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", NULL}; *device; device++) {
    int opened = WORKS(open(*device, O_RDWR));
    SHOW(lseek(opened, 100, SEEK_SET));
    SHOW(lseek(opened, -1, SEEK_END));
    SHOW(lseek(opened, 7, SEEK_HOLE));
    SHOW(lseek(opened, 0, 5));
    SHOW(write(opened, "abc", 3));
    char bytes[4];
    SHOW(read(opened, bytes, sizeof bytes));
    SHOW(lseek(opened, 0, SEEK_CUR));
    close(opened);
  }
  SHOW(read(file, (void *)8, 4));
  SHOW(write(file, (void *)8, 4));
  SHOW(ftruncate(file, 5));
  SHOW(ftruncate(file, -1));
  SHOW(truncate("a", 6));
  show_status("a");
  struct iovec vectors[2] = {{buffer, 2}, {buffer + 8, 2}};
  SHOW(preadv(file, vectors, 2, 1));
  SHOW(preadv2(file, vectors, 2, 1, 0x1000));
  SHOW(pwritev2(file, vectors, 1, 0, RWF_APPEND));
  show_status("a");
  int append = open("a", O_WRONLY | O_APPEND);
  SHOW(pwrite(append, "!", 1, 0));
  SHOW(lseek(append, 0, SEEK_CUR));
  SHOW(write(append, "?", 1));
  SHOW(lseek(append, 0, SEEK_CUR));
  SHOW(read(append, buffer, 1));
  SHOW(fsync(append));
  SHOW(fdatasync(append));
  SHOW(fallocate(append, 0, 0, 100));
  SHOW(fallocate(append, FALLOC_FL_KEEP_SIZE, 0, 1000));
  show_status("a");
  SHOW(posix_fadvise(append, 0, 0, POSIX_FADV_SEQUENTIAL));
  close(append);

  SHOW(mkdir("d", 0777));
  SHOW(mkdir("d", 0777));
  SHOW(mkdir("x/y", 0777));
  SHOW(symlink("a", "link"));
  SHOW(symlink("loop", "loop"));
  SHOW(open("loop", O_RDONLY));
  SHOW(open("link", O_RDONLY | O_NOFOLLOW));
  SHOW(readlink("link", buffer, 64));
  SHOW(readlink("a", buffer, 64));
  SHOW(readlink("link", buffer, 0));
  SHOW(link("a", "d/hard"));
  show_status("a");
  SHOW(link("d", "d2"));
  SHOW(rename("a", "d/a"));
  SHOW(rename("d", "d/e"));
  SHOW(rename("missing", "z"));
  SHOW(renameat2(AT_FDCWD, "d/a", AT_FDCWD, "d/hard", RENAME_NOREPLACE));
  SHOW(renameat2(AT_FDCWD, "d/a", AT_FDCWD, "link", RENAME_EXCHANGE));
  show_status("d/a");
  show_status("link");
  SHOW(unlink("d"));
  SHOW(rmdir("d"));
  SHOW(rmdir("link"));
  SHOW(unlinkat(AT_FDCWD, "link", 7));
  list(".");
  list("d");
  int directory = open("d", O_RDONLY | O_DIRECTORY);
  SHOW(read(directory, buffer, 1));
  SHOW(write(directory, buffer, 1));
  WORKS(openat(directory, "hard", O_RDONLY));
  SHOW(openat(file, "hard", O_RDONLY));
  SHOW(syscall(SYS_getdents64, directory, buffer, 8));
  SHOW(syscall(SYS_getdents64, file, buffer, 64));
  SHOW(fchdir(file));
  SHOW(fchdir(directory));
  SHOW(access("hard", R_OK | W_OK));
  SHOW(access("hard", 8));
  SHOW(chdir(".."));
  SHOW(faccessat(directory, "missing", F_OK, 0));

  SHOW(chmod("link", 04751));
  show_status("link");
  SHOW(fchmodat(AT_FDCWD, "d", 0700, 0));
  show_status("d");
  struct timespec times[2] = {{1000, 5}, {2000, 7}};
  SHOW(utimensat(AT_FDCWD, "link", times, 0));
  struct stat status;
  SHOW(stat("link", &status));
  printf("%ld.%ld %ld.%ld\n", status.st_atim.tv_sec, status.st_atim.tv_nsec, status.st_mtim.tv_sec,
         status.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = 2000000000;
  SHOW(utimensat(AT_FDCWD, "link", times, 0));
  struct statx extended;
  SHOW(statx(AT_FDCWD, "link", 0, STATX_BASIC_STATS, &extended));
  VALUE((extended.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  VALUE(extended.stx_size);
  SHOW(statx(file, "", AT_EMPTY_PATH, STATX_SIZE, &extended));
  VALUE(extended.stx_nlink);
  SHOW(statx(AT_FDCWD, "link", 0x8000, STATX_SIZE, &extended));
  SHOW(fstatat(AT_FDCWD, "", &status, 0));
  SHOW(fstatat(file, "", &status, AT_EMPTY_PATH));
  struct statfs system;
  SHOW(statfs(".", &system));
  VALUE(system.f_namelen);

  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  SHOW(fcntl(file, F_SETLK, &lock));
  struct flock other = lock;
  SHOW(fcntl(file, F_OFD_GETLK, &other));
  VALUE(other.l_type == F_WRLCK);
  VALUE(other.l_len);
  other = lock;
  SHOW(fcntl(file, F_OFD_SETLK, &other));
  other.l_start = 10;
  SHOW(fcntl(file, F_OFD_SETLK, &other));
  lock.l_type = 9;
  SHOW(fcntl(file, F_SETLK, &lock));
  int again = open("link", O_RDWR);
  SHOW(flock(file, LOCK_EX));
  SHOW(flock(again, LOCK_SH | LOCK_NB));
  SHOW(flock(file, LOCK_SH));
  SHOW(flock(again, LOCK_SH | LOCK_NB));
  SHOW(flock(again, 99));
  close(again);

  int source = open("source", O_RDWR | O_CREAT, 0644), target = open("target", O_RDWR | O_CREAT, 0644);
  static char large[200000];
  memset(large, 'q', sizeof large);
  SHOW(write(source, large, sizeof large));
  off_t offset = 1000;
  SHOW(sendfile(target, source, &offset, 150000));
  VALUE(offset);
  SHOW(lseek(source, 0, SEEK_CUR));
  show_status("target");
  offset = 0;
  loff_t from = 10, into = 5;
  SHOW(copy_file_range(source, &from, target, &into, 100, 0));
  SHOW(copy_file_range(source, &from, target, &into, 100, 1));
  VALUE(from + into);
  int ends[2];
  if (pipe(ends)) return 1;
  SHOW(sendfile(target, ends[0], NULL, 1));
  SHOW(sendfile(ends[1], source, &offset, 10));
  SHOW(ftruncate(ends[1], 0));
  SHOW(fsync(ends[1]));

  int memory = WORKS(memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  SHOW(write(memory, "abc", 3));
  SHOW(fcntl(memory, F_GET_SEALS));
  SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
  SHOW(ftruncate(memory, 1));
  SHOW(ftruncate(memory, 10));
  SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  SHOW(pwrite(memory, "x", 1, 0));
  SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW(fcntl(file, F_GET_SEALS) == -1 || 1);

  SHOW(mknod("fifo", S_IFIFO | 0600, 0));
  show_status("fifo");
  SHOW(mknod("directory", S_IFDIR | 0600, 0));
  int unnamed = WORKS(open(".", O_TMPFILE | O_RDWR, 0600));
  SHOW(write(unnamed, "t", 1));
  char link[4096] = "", name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", unnamed);
  VALUE(readlink(name, link, sizeof link - 1) > 0);
  VALUE(strstr(link, "/#") != NULL && strcmp(strrchr(link, ' '), " (deleted)") == 0);
  SHOW(openat(AT_FDCWD, "x", O_TMPFILE | O_RDONLY, 0600));
  SHOW(rename("d/hard", "d/a"));
  list("d");
  struct { uint64_t flags, mode, resolve, more; } how = {O_RDONLY, 0, 0x08, 0};
  SHOW(syscall(SYS_openat2, AT_FDCWD, "../..", &how, 24));
  how.more = 1;
  SHOW(syscall(SYS_openat2, AT_FDCWD, "d", &how, 32));
  SHOW(syscall(SYS_openat2, AT_FDCWD, "d", &how, 8));
  how.mode = 0600;
  SHOW(syscall(SYS_openat2, AT_FDCWD, "d", &how, 24));
  how.mode = 0;
  how.resolve = 0x4000;
  SHOW(syscall(SYS_openat2, AT_FDCWD, "d", &how, 24));
  SHOW(umask(0077) == 022);
  WORKS(open("private", O_CREAT | O_WRONLY, 0666));
  show_status("private");
  char current[4096];
  VALUE(getcwd(current, sizeof current) != NULL);
  SHOW(syscall(SYS_getcwd, current, 3));
  return 0;
}
