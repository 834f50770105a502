/* kube_peer.h - a scripted HTTP server on the loopback for tests: a thread a connection, plain
 * blocking sockets.
 *
 * For each request the test's `answer` is asked, in the connection's thread and under the peer's
 * lock, what to do. */
#pragma once
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define KUBE_PEER_CONNECTIONS 64

enum kube_peer_end {
    KUBE_PEER_WHOLE,  /* one answer with Content-Length; the connection stays */
    KUBE_PEER_STREAM, /* chunked, then its orderly end */
    KUBE_PEER_CUT,    /* chunked, then the connection closes in the middle */
    KUBE_PEER_HANG,   /* chunked, then silence: half open */
    KUBE_PEER_MUTE    /* not even a head */
};

struct kube_peer_answer {
    int status;
    char body[16384];
    char fields[256]; /* further header fields, each with CR LF */
    enum kube_peer_end end;
    size_t step; /* bytes in one chunk and one packet; 0: all */
};

typedef void kube_peer_f(const char *method, const char *target, const char *body,
                         struct kube_peer_answer *out, void *user);

struct kube_peer {
    int listener;
    int port;
    char url[64];
    kube_peer_f *answer;
    void *user;
    pthread_mutex_t lock;
    pthread_t accepter;
    pthread_t threads[KUBE_PEER_CONNECTIONS];
    int fds[KUBE_PEER_CONNECTIONS];
    int count;
    int requests;
};

struct kube_peer_connection {
    struct kube_peer *peer;
    int fd;
};

static inline bool kube_peer_send(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool kube_peer_send_chunks(int fd, const struct kube_peer_answer *a)
{
    size_t len = strlen(a->body);
    size_t step = a->step ? a->step : len;
    char head[32];

    for (size_t i = 0; i < len; i += step) {
        size_t n = len - i < step ? len - i : step;
        snprintf(head, sizeof(head), "%zx\r\n", n);
        if (!kube_peer_send(fd, head, strlen(head)) || !kube_peer_send(fd, a->body + i, n) ||
            !kube_peer_send(fd, "\r\n", 2))
            return false;
    }
    return true;
}

/* False: the connection is over. */
static inline bool kube_peer_reply(int fd, const struct kube_peer_answer *a)
{
    char head[512];
    char byte;
    bool whole = a->end == KUBE_PEER_WHOLE;

    if (a->end != KUBE_PEER_MUTE) {
        snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s",
                 a->status, a->fields);
        if (!kube_peer_send(fd, head, strlen(head)))
            return false;
        if (whole)
            snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", strlen(a->body));
        else
            snprintf(head, sizeof(head), "Transfer-Encoding: chunked\r\n\r\n");
        if (!kube_peer_send(fd, head, strlen(head)))
            return false;
        if (whole)
            return kube_peer_send(fd, a->body, strlen(a->body));
        if (!kube_peer_send_chunks(fd, a))
            return false;
        if (a->end == KUBE_PEER_STREAM)
            return kube_peer_send(fd, "0\r\n\r\n", 5);
        if (a->end == KUBE_PEER_CUT)
            return false;
    }
    (void)!recv(fd, &byte, 1, 0); /* until the other side gives up, or kube_peer_free() */
    return false;
}

/* A head and as much body as it announces; false at the end of the connection. */
static inline bool kube_peer_read(int fd, char *text, size_t size, char **body)
{
    size_t len = 0;
    size_t want = 0;

    *body = NULL;
    while (len + 1 < size) {
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        if (!end)
            continue;
        char *field = strcasestr(text, "\r\nContent-Length:");
        if (field && field < end)
            want = strtoul(field + 17, NULL, 10);
        *body = end + 4;
        if (len - (size_t)(*body - text) >= want)
            return true;
    }
    return false;
}

static inline void *kube_peer_serve(void *user)
{
    struct kube_peer_connection *c = user;
    struct kube_peer_answer *a = malloc(sizeof(*a));
    char *text = malloc(65536);
    char *body;
    bool more = true;

    while (more && kube_peer_read(c->fd, text, 65536, &body)) {
        char *method = text;
        char *target = strchr(text, ' ');
        *target++ = '\0';
        *strchr(target, ' ') = '\0';
        memset(a, 0, sizeof(*a));
        pthread_mutex_lock(&c->peer->lock);
        c->peer->requests++;
        c->peer->answer(method, target, body, a, c->peer->user);
        pthread_mutex_unlock(&c->peer->lock);
        more = kube_peer_reply(c->fd, a);
    }
    shutdown(c->fd, SHUT_RDWR);
    free(text);
    free(a);
    free(c);
    return NULL;
}

static inline void *kube_peer_accept(void *user)
{
    struct kube_peer *p = user;
    int fd;

    while ((fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct kube_peer_connection *c = malloc(sizeof(*c));
        *c = (struct kube_peer_connection){p, fd};
        pthread_mutex_lock(&p->lock);
        if (p->count < KUBE_PEER_CONNECTIONS &&
            pthread_create(&p->threads[p->count], NULL, kube_peer_serve, c) == 0) {
            p->fds[p->count++] = fd;
        } else {
            close(fd);
            free(c);
        }
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* Port 0: any. */
static inline bool kube_peer_init(struct kube_peer *p, int port, kube_peer_f *answer, void *user)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(at);

    memset(p, 0, sizeof(*p));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->answer = answer;
    p->user = user;
    pthread_mutex_init(&p->lock, NULL);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(p->listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(p->listener, 16) != 0)
        return false;
    getsockname(p->listener, (struct sockaddr *)&at, &len);
    p->port = ntohs(at.sin_port);
    snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d", p->port);
    return pthread_create(&p->accepter, NULL, kube_peer_accept, p) == 0;
}

/* All connections break, as when the server is killed. */
static inline void kube_peer_fini(struct kube_peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->accepter, NULL);
    close(p->listener);
    for (int i = 0; i < p->count; i++)
        shutdown(p->fds[i], SHUT_RDWR);
    for (int i = 0; i < p->count; i++) {
        pthread_join(p->threads[i], NULL);
        close(p->fds[i]);
    }
    pthread_mutex_destroy(&p->lock);
}
