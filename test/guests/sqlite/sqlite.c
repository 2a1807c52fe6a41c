// Processes with threads that write and read one database of SQLite's at the same time, in each mode of its journal: its locks, the memory that they
// share, its writes and fsyncs. One of them is killed amid a transaction. Prints what has to come out of it, the same on Linux and in a guest.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 4, THREADS = 2, TRANSFERS = 12, ACCOUNTS = 50, START = 1000, PATIENCE_MS = 120000 };

static void fail(sqlite3 *database, const char *what) {
  fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(database));
  _exit(1);
}

static void execute(sqlite3 *database, const char *sql) {
  if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK) fail(database, sql);
}

// The first column of a query's only row, as text.
static const char *answer(sqlite3 *database, const char *sql) {
  static _Thread_local char text[256];
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK) fail(database, sql);
  if (sqlite3_step(statement) != SQLITE_ROW) fail(database, sql);
  snprintf(text, sizeof text, "%s", sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  return text;
}

static void show(sqlite3 *database, const char *sql) { printf("%s: %s\n", sql, answer(database, sql)); }

static void expect(sqlite3 *database, const char *sql, const char *expected) {
  const char *text = answer(database, sql);
  if (strcmp(text, expected)) fprintf(stderr, "%s: %s, not %s\n", sql, text, expected), _exit(1);
}

// Each thread has a connection of its own; `other` is attached, so that transactions are of two files.
static sqlite3 *connect_to(const char *journal, int mapped) {
  sqlite3 *database;
  char sql[128];
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2("database", &database, flags, NULL) != SQLITE_OK) fail(database, "open");
  sqlite3_busy_timeout(database, PATIENCE_MS);
  execute(database, "ATTACH 'other' AS other");
  snprintf(sql, sizeof sql, "PRAGMA main.journal_mode = %s; PRAGMA other.journal_mode = %s", journal, journal);
  execute(database, sql);
  execute(database, "PRAGMA synchronous = FULL");
  snprintf(sql, sizeof sql, "PRAGMA mmap_size = %d", mapped ? 1 << 24 : 0);
  execute(database, sql);
  return database;
}

static const char *total = "SELECT sum(balance) FROM account";

struct worker {
  const char *journal;
  int number;
};

static void *work(void *argument) {
  const struct worker *worker = argument;
  // One half reads through a mapping of the file what the others write.
  sqlite3 *database = connect_to(worker->journal, worker->number % 2);
  uint32_t random = 12345 + worker->number;
  char sql[512], expected[16];
  snprintf(expected, sizeof expected, "%d", ACCOUNTS * START);
  for (int i = 0; i < TRANSFERS; i++) {
    random = random * 1664525 + 1013904223;
    int from = (random >> 8) % ACCOUNTS, to = (random >> 16) % ACCOUNTS, amount = random >> 28;
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "UPDATE account SET balance = balance - %d WHERE id = %d;"
             "UPDATE account SET balance = balance + %d WHERE id = %d;"
             "INSERT INTO other.transfer VALUES (%d, %d, %d, %d, zeroblob(%d));"
             "COMMIT",
             amount, from, amount, to, worker->number, from, to, amount, 100 + (int)(random >> 20));
    execute(database, sql);
    // What one transaction reads is of one moment.
    execute(database, "BEGIN");
    expect(database, total, expected);
    usleep(1000);
    expect(database, total, expected);
    execute(database, "COMMIT");
  }
  sqlite3_close(database);
  return NULL;
}

static pid_t start_worker(const char *journal, int process) {
  pid_t child = fork();
  if (child) return child;
  pthread_t threads[THREADS];
  struct worker workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){journal, process * THREADS + i};
    pthread_create(&threads[i], NULL, work, &workers[i]);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  _exit(0);
}

// Ends while what it has changed is already in the file, because more of it than fits in its memory has changed: the others take it back.
static pid_t start_victim(const char *journal) {
  pid_t child = fork();
  if (child) return child;
  sqlite3 *database = connect_to(journal, 0);
  execute(database, "PRAGMA main.cache_size = 5; PRAGMA cache_spill = 1");
  execute(database, "BEGIN IMMEDIATE; UPDATE account SET balance = 0, filler = zeroblob(2000)");
  raise(SIGKILL);
  _exit(1);
}

static void under_load(const char *journal) {
  sqlite3 *database = connect_to(journal, 0);
  char sql[256];
  execute(database, "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, filler BLOB);"
                    "CREATE TABLE other.transfer (worker, source, target, amount, filler);"
                    "CREATE INDEX other.by_source ON transfer (source)");
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           "INSERT INTO account SELECT i, %d, zeroblob(2000) FROM n",
           ACCOUNTS - 1, START);
  execute(database, sql);
  show(database, "PRAGMA main.journal_mode");
  show(database, "PRAGMA other.journal_mode");
  sqlite3_close(database);

  pid_t workers[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) workers[i] = start_worker(journal, i);
  int status;
  waitpid(start_victim(journal), &status, 0);
  printf("victim: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  for (int i = 0; i < PROCESSES; i++) {
    waitpid(workers[i], &status, 0);
    printf("worker: status %x\n", status);
  }

  database = connect_to(journal, 0);
  show(database, "PRAGMA main.integrity_check");
  show(database, "PRAGMA other.integrity_check");
  show(database, total);
  show(database, "SELECT count(*) || ' ' || sum(amount) || ' ' || sum(length(filler)) FROM transfer");
  show(database, "SELECT group_concat(balance) FROM account WHERE id < 10");
  execute(database, "VACUUM");
  show(database, "PRAGMA main.integrity_check");
  sqlite3_close(database);
  unlink("database");
  unlink("other");
}

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Whoever finds the database locked waits for as long as it was told, and no longer.
static void busy(const char *journal) {
  sqlite3 *database = connect_to(journal, 0);
  execute(database, "CREATE TABLE number (value); INSERT INTO number VALUES (1)");
  sqlite3_close(database);
  int locked[2], release[2];
  char byte;
  if (pipe(locked) || pipe(release)) _exit(1);
  pid_t holder = fork();
  if (holder == 0) {
    database = connect_to(journal, 0);
    execute(database, "BEGIN EXCLUSIVE; UPDATE number SET value = 2");
    if (write(locked[1], "x", 1) != 1 || read(release[0], &byte, 1) != 1) _exit(1);
    usleep(100000);
    execute(database, "COMMIT");
    sqlite3_close(database);
    _exit(0);
  }
  if (sqlite3_open("database", &database) != SQLITE_OK || read(locked[0], &byte, 1) != 1) _exit(1);
  const char *write_sql = "UPDATE number SET value = value * 10";
  printf("at once: %s\n", sqlite3_errstr(sqlite3_exec(database, write_sql, NULL, NULL, NULL)));
  printf("reader: %s\n", sqlite3_errstr(sqlite3_exec(database, "SELECT * FROM number", NULL, NULL, NULL)));
  sqlite3_busy_timeout(database, 300);
  long begin = milliseconds();
  printf("in time: %s", sqlite3_errstr(sqlite3_exec(database, write_sql, NULL, NULL, NULL)));
  // The last of its naps may be cut short.
  printf(", %s\n", milliseconds() - begin >= 250 ? "having waited" : "too early");
  sqlite3_busy_timeout(database, PATIENCE_MS);
  if (write(release[1], "x", 1) != 1) _exit(1);
  printf("patient: %s\n", sqlite3_errstr(sqlite3_exec(database, write_sql, NULL, NULL, NULL)));
  show(database, "SELECT value FROM number");
  sqlite3_close(database);
  waitpid(holder, NULL, 0);
  for (int i = 0; i < 2; i++) close(locked[i]), close(release[i]);
  unlink("database");
  unlink("other");
}

int main(void) {
  char folder[256];
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *temporary = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/sqlite-XXXXXX", temporary ? temporary : "/tmp");
  if (!mkdtemp(folder) || chdir(folder)) perror(folder), exit(1);
  static const char *const journals[] = {"delete", "truncate", "persist", "wal"};
  for (int i = 0; i < 4; i++) {
    printf("-- %s\n", journals[i]);
    busy(journals[i]);
    under_load(journals[i]);
  }
  if (chdir("/") || rmdir(folder)) perror(folder), exit(1);
}
