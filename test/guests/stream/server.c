/*
 * A server that moves bytes, for the benchmark: one connection at a time, a megabyte at a time.
 *
 *   GET /        an answer with status 200
 *   GET /out     bytes without end, until the client closes
 *   PUT /in      takes bytes until the client says that there are no more; then answers with their number
 *
 * Listens on port 8080.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MEGABYTE = 1 << 20, PORT = 8080 };

static char buffer[MEGABYTE];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Reads the head of a request, which the client sends alone, into the buffer as a string. */
static int read_head(int connection) {
    size_t length = 0;
    while (length < sizeof buffer - 1) {
        ssize_t got = recv(connection, buffer + length, sizeof buffer - 1 - length, 0);
        if (got <= 0)
            return -1;
        length += (size_t)got;
        buffer[length] = '\0';
        if (strstr(buffer, "\r\n\r\n"))
            return 0;
    }
    return -1;
}

static void say(int connection, const char *text) {
    send(connection, text, strlen(text), MSG_NOSIGNAL);
}

static void serve(int connection) {
    char answer[128];
    unsigned long long taken = 0;
    if (read_head(connection) < 0)
        return;
    if (strncmp(buffer, "GET /out ", 9) == 0) {
        say(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while (send(connection, buffer, sizeof buffer, MSG_NOSIGNAL) > 0)
            ;
    } else if (strncmp(buffer, "PUT /in ", 8) == 0) {
        say(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        for (ssize_t got; (got = recv(connection, buffer, sizeof buffer, 0)) > 0;)
            taken += (unsigned long long)got;
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%llu\n", taken);
        say(connection, answer);
    } else {
        say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nup\n");
    }
}

int main(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (listener < 0)
        die("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0)
        die("listen");
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            die("accept4");
        serve(connection);
        close(connection);
    }
}
