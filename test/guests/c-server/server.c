/*
 * A small HTTP/1.1 server: one thread, epoll, keep-alive and pipelining, no allocation per request.
 *
 *   GET /        the greeting ($GREETING, "Hello from C" without one)
 *   GET /env     the environment, one variable a line
 *   GET /fill/N  takes N MiB of memory and writes to every page of it
 *   GET /exit/N  ends the process with exit status N
 *   GET /crash   reads from address 0
 *
 * Listens on $PORT (8080 without one). Linked statically it is the smallest guest of the tests and the benchmark.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, REQUEST_BYTES = 2048, RESPONSE_BYTES = 8192 };

struct connection {
    size_t length;
    char request[REQUEST_BYTES];
};

/* Indexed by file descriptor; pages of descriptors that are never used are never touched. */
static struct connection connections[MAX_CONNECTIONS];
static const char *greeting = "Hello from C";
extern char **environ;

static void die(const char *what) {
    fprintf(stderr, "c-server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int send_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        /* Responses are far smaller than a socket's send buffer: a peer that lets it fill up is not reading. */
        if (sent <= 0)
            return -1;
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int respond(int fd, const char *status, const char *body, size_t length, int keep_alive) {
    char response[RESPONSE_BYTES];
    int head = snprintf(response, sizeof response,
                        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                        status, length, keep_alive ? "keep-alive" : "close");
    if ((size_t)head + length > sizeof response)
        length = sizeof response - (size_t)head;
    memcpy(response + head, body, length);
    return send_all(fd, response, (size_t)head + length);
}

static size_t environment(char *out, size_t size) {
    size_t used = 0;
    for (char **variable = environ; *variable; variable++) {
        size_t length = strlen(*variable);
        if (used + length + 1 > size)
            break;
        memcpy(out + used, *variable, length);
        used += length;
        out[used++] = '\n';
    }
    return used;
}

/* Answers one request of `length` bytes; a negative result closes the connection. */
static int answer(int fd, char *request, size_t length) {
    request[length - 1] = '\0';
    int keep_alive = strcasestr(request, "\r\nConnection: close") == NULL && strstr(request, " HTTP/1.1\r\n") != NULL;
    int result;
    if (strncmp(request, "GET / ", 6) == 0) {
        char body[1024];
        int used = snprintf(body, sizeof body, "%s\n", greeting);
        result = respond(fd, "200 OK", body, (size_t)used < sizeof body ? (size_t)used : sizeof body - 1, keep_alive);
    } else if (strncmp(request, "GET /env ", 9) == 0) {
        char body[4096];
        result = respond(fd, "200 OK", body, environment(body, sizeof body), keep_alive);
    } else if (strncmp(request, "GET /fill/", 10) == 0) {
        size_t size = strtoul(request + 10, NULL, 10) << 20;
        char *memory = malloc(size);
        if (memory == NULL)
            return respond(fd, "507 Insufficient Storage", "no memory\n", 10, keep_alive);
        for (size_t i = 0; i < size; i += 4096)
            ((volatile char *)memory)[i] = 1;
        result = respond(fd, "200 OK", "filled\n", 7, keep_alive);
        free(memory);
    } else if (strncmp(request, "GET /crash ", 11) == 0) {
        return *(volatile int *)0;
    } else if (strncmp(request, "GET /exit/", 10) == 0) {
        respond(fd, "200 OK", "bye\n", 4, 0);
        exit(atoi(request + 10));
    } else {
        result = respond(fd, "404 Not Found", "not found\n", 10, keep_alive);
    }
    return result < 0 || !keep_alive ? -1 : 0;
}

/* Reads what there is and answers every complete request; a negative result closes the connection. */
static int serve(int fd, struct connection *connection) {
    for (;;) {
        ssize_t got = recv(fd, connection->request + connection->length, REQUEST_BYTES - connection->length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? 0 : -1;
        if (got == 0)
            return -1;
        connection->length += (size_t)got;
        char *end;
        while ((end = memmem(connection->request, connection->length, "\r\n\r\n", 4)) != NULL) {
            size_t length = (size_t)(end - connection->request) + 4;
            if (answer(fd, connection->request, length) < 0)
                return -1;
            connection->length -= length;
            memmove(connection->request, connection->request + length, connection->length);
        }
        if (connection->length == REQUEST_BYTES)
            return -1;
    }
}

int main(void) {
    const char *port = getenv("PORT");
    if (getenv("GREETING"))
        greeting = getenv("GREETING");

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        die("socket");
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)(port ? atoi(port) : 8080)),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(listener, 128) < 0)
        die("listen");

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    printf("c-server: listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (serve(fd, &connections[fd]) < 0)
                    close(fd);
                continue;
            }
            int client;
            while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                if (client >= MAX_CONNECTIONS) {
                    close(client);
                    continue;
                }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                connections[client].length = 0;
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = client};
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event) < 0)
                    close(client);
            }
        }
    }
}
