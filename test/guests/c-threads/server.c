/*
 * An HTTP server with a pool of threads, linked dynamically: blocking sockets, a bounded queue of connections behind
 * a mutex and two condition variables, thread-local counters, and CPU work that is spread over threads and joined.
 *
 *   GET /           who answered: the worker and how many requests it has served
 *   GET /primes/N   how many primes there are up to N, counted by as many threads as the pool has
 *   GET /total      requests served by all workers
 *
 * Listens on $PORT (8080 without one) with $THREADS workers (8 without).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE_LENGTH = 64, MAX_WORKERS = 64, REQUEST_BYTES = 2048 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    int clients[QUEUE_LENGTH];
    unsigned head, count;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .drained = PTHREAD_COND_INITIALIZER};

static int workers = 8;
static atomic_ulong total;
static _Thread_local unsigned long served;

static void die(const char *what, int error) {
    fprintf(stderr, "c-threads: %s: %s\n", what, strerror(error));
    exit(1);
}

static void queue_push(int client) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == QUEUE_LENGTH)
        pthread_cond_wait(&queue.drained, &queue.lock);
    queue.clients[(queue.head + queue.count++) % QUEUE_LENGTH] = client;
    pthread_cond_signal(&queue.filled);
    pthread_mutex_unlock(&queue.lock);
}

static int queue_pop(void) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0)
        pthread_cond_wait(&queue.filled, &queue.lock);
    int client = queue.clients[queue.head];
    queue.head = (queue.head + 1) % QUEUE_LENGTH;
    queue.count--;
    pthread_cond_signal(&queue.drained);
    pthread_mutex_unlock(&queue.lock);
    return client;
}

struct range {
    unsigned long first, last, step, primes;
};

static void *count_primes(void *argument) {
    struct range *range = argument;
    for (unsigned long n = range->first; n <= range->last; n += range->step) {
        int prime = n >= 2;
        for (unsigned long divisor = 2; prime && divisor * divisor <= n; divisor++)
            prime = n % divisor != 0;
        range->primes += (unsigned long)prime;
    }
    return NULL;
}

static unsigned long primes_up_to(unsigned long limit) {
    pthread_t threads[MAX_WORKERS];
    struct range ranges[MAX_WORKERS];
    unsigned long primes = 0;
    for (int i = 0; i < workers; i++) {
        ranges[i] = (struct range){.first = (unsigned long)i, .last = limit, .step = (unsigned long)workers};
        int error = pthread_create(&threads[i], NULL, count_primes, &ranges[i]);
        if (error)
            die("pthread_create", error);
    }
    for (int i = 0; i < workers; i++) {
        pthread_join(threads[i], NULL);
        primes += ranges[i].primes;
    }
    return primes;
}

static int respond(int client, const char *status, const char *body) {
    char response[1024];
    int length = snprintf(response, sizeof response,
                          "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", status,
                          strlen(body), body);
    for (int sent = 0; sent < length;) {
        ssize_t written = send(client, response + sent, (size_t)(length - sent), MSG_NOSIGNAL);
        if (written <= 0)
            return -1;
        sent += (int)written;
    }
    return 0;
}

static int answer(int client, long worker, const char *request) {
    char body[256];
    served++;
    atomic_fetch_add(&total, 1);
    if (strncmp(request, "GET / ", 6) == 0)
        snprintf(body, sizeof body, "worker %ld of %d, request %lu\n", worker, workers, served);
    else if (strncmp(request, "GET /primes/", 12) == 0)
        snprintf(body, sizeof body, "%lu\n", primes_up_to(strtoul(request + 12, NULL, 10)));
    else if (strncmp(request, "GET /total ", 11) == 0)
        snprintf(body, sizeof body, "%lu\n", atomic_load(&total));
    else
        return respond(client, "404 Not Found", "not found\n");
    return respond(client, "200 OK", body);
}

static void serve(int client, long worker) {
    char request[REQUEST_BYTES];
    size_t length = 0;
    for (;;) {
        ssize_t got = recv(client, request + length, sizeof request - 1 - length, 0);
        if (got <= 0)
            return;
        length += (size_t)got;
        request[length] = '\0';
        char *end;
        while ((end = strstr(request, "\r\n\r\n")) != NULL) {
            end[2] = '\0';
            if (answer(client, worker, request) < 0 || strcasestr(request, "\r\nConnection: close"))
                return;
            length -= (size_t)(end + 4 - request);
            memmove(request, end + 4, length + 1);
        }
        if (length == sizeof request - 1)
            return;
    }
}

static void *work(void *argument) {
    for (;;) {
        int client = queue_pop();
        serve(client, (long)argument);
        close(client);
    }
    return NULL;
}

int main(void) {
    const char *port = getenv("PORT"), *threads = getenv("THREADS");
    if (threads)
        workers = atoi(threads);
    if (workers < 1 || workers > MAX_WORKERS) {
        fprintf(stderr, "c-threads: THREADS is %s, want 1 to %d\n", threads, MAX_WORKERS);
        return 1;
    }

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        die("socket", errno);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)(port ? atoi(port) : 8080)),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind", errno);
    if (listen(listener, 128) < 0)
        die("listen", errno);

    for (long i = 1; i <= workers; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, work, (void *)i);
        if (error)
            die("pthread_create", error);
        pthread_detach(thread);
    }
    printf("c-threads: listening on port %d with %d threads\n", ntohs(address.sin_port), workers);
    fflush(stdout);

    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            die("accept4", errno);
        }
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        queue_push(client);
    }
}
