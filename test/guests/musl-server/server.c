/*
 * An HTTP/1.0 file server on musl: poll(2), one request a connection, bodies sent by sendfile(2) or, for files whose
 * size is not known beforehand (those of /proc), by read and write.
 *
 *   GET /PATH    the file at PATH below the served folder
 *
 * usage: musl-server [FOLDER]    serves / without one, on $PORT (8080 without one)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CLIENTS = 32, REQUEST_BYTES = 4096 };

struct client {
    size_t length;
    char request[REQUEST_BYTES];
};

static struct pollfd polls[1 + MAX_CLIENTS];
static struct client clients[1 + MAX_CLIENTS];
static int folder;

static void die(const char *what) {
    fprintf(stderr, "musl-server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        length -= (size_t)written;
    }
}

static void fail(int fd, const char *status) {
    dprintf(fd, "HTTP/1.0 %s\r\nContent-Type: text/plain\r\n\r\n%s\n", status, status);
}

static void send_file(int fd, const char *path) {
    if (strstr(path, "..")) {
        fail(fd, "400 Bad Request");
        return;
    }
    int file = openat(folder, *path ? path : ".", O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) {
        fail(fd, file < 0 && errno == EACCES ? "403 Forbidden" : "404 Not Found");
    } else if (status.st_size > 0) {
        dprintf(fd, "HTTP/1.0 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)status.st_size);
        off_t offset = 0;
        while (offset < status.st_size && sendfile(fd, file, &offset, (size_t)(status.st_size - offset)) > 0)
            ;
    } else {
        char buffer[4096];
        ssize_t got;
        dprintf(fd, "HTTP/1.0 200 OK\r\n\r\n");
        while ((got = read(file, buffer, sizeof buffer)) > 0)
            write_all(fd, buffer, (size_t)got);
    }
    if (file >= 0)
        close(file);
}

/* True when the client is done with: answered, gone, or sending nonsense. */
static int serve(int fd, struct client *client) {
    ssize_t got = read(fd, client->request + client->length, REQUEST_BYTES - 1 - client->length);
    if (got <= 0)
        return 1;
    client->length += (size_t)got;
    client->request[client->length] = '\0';
    if (!strstr(client->request, "\r\n\r\n"))
        return client->length == REQUEST_BYTES - 1;
    char path[REQUEST_BYTES];
    if (sscanf(client->request, "GET /%4000[^ \r\n]", path) == 1)
        send_file(fd, path);
    else if (strncmp(client->request, "GET / ", 6) == 0)
        dprintf(fd, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHello from musl\n");
    else
        fail(fd, "400 Bad Request");
    return 1;
}

int main(int argc, char **argv) {
    const char *port = getenv("PORT");
    signal(SIGPIPE, SIG_IGN);
    folder = open(argc > 1 ? argv[1] : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        die(argc > 1 ? argv[1] : "/");

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)(port ? atoi(port) : 8080)),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0)
        die("listen");
    printf("musl-server: listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 1; i <= MAX_CLIENTS; i++)
        polls[i].fd = -1;
    for (;;) {
        if (poll(polls, 1 + MAX_CLIENTS, -1) < 0) {
            if (errno == EINTR)
                continue;
            die("poll");
        }
        int slot = 0;
        for (int i = 1; i <= MAX_CLIENTS; i++) {
            if (polls[i].fd >= 0 && polls[i].revents && serve(polls[i].fd, &clients[i])) {
                close(polls[i].fd);
                polls[i].fd = -1;
            }
            if (polls[i].fd < 0)
                slot = i;
        }
        if (slot && polls[0].revents & POLLIN) {
            polls[slot] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
            clients[slot].length = 0;
        }
        /* With every slot taken new connections wait in the listener's queue. */
        polls[0].events = slot ? POLLIN : 0;
    }
}
