#include "http/http_connection.h"

#include "base/mem.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

const struct http_server_conf HTTP_SERVER_CONF_DEFAULT = {
    .limits = {.header_bytes = (size_t)32 * 1024, .headers = 100, .target_bytes = (size_t)8 * 1024},
    .header_ms = 10000,
    .body_ms = 60000,
    .body_rate = (int64_t)64 * 1024,
    .idle_ms = 75000,
    .write_ms = 30000,
    .connections_max = 10000,
    .server_name = "http",
};

#define BACKLOG         1024
#define REFUSALS_MAX    128u /* clients that are told 503 at the same time; more are just closed */
#define FIRST_HANDOVER  3    /* LISTEN_FDS counts from here */
#define DATE_REFRESH_MS 250

struct http_listener {
    struct http_server *server;
    struct http_listener *next;
    bool is_pipe;
    union {
        uv_handle_t any;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } handle;
};

struct http_server *http_server_new(struct loop *l, const struct http_server_conf *conf,
                                    http_handler_f *handler, void *user)
{
    struct http_server *s = mem_alloc(sizeof(*s));
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that goes away must not end the program */
    s->loop = l;
    s->world = loop_world(l);
    s->conf = *conf;
    s->handler = handler;
    s->user = user;
    s->read_buffer = mem_alloc(HTTP_READ_BYTES);
    return s;
}

/* The server's memory goes with the last thing that points to it. */
static void maybe_gone(struct http_server *s)
{
    if (s->connection_count == 0 && s->draining && s->drained != NULL) {
        loop_f *fn = s->drained;
        s->drained = NULL;
        loop_defer(s->loop, fn, s->drained_user);
    }
    if (!s->freed || s->connection_count > 0 || s->listener_count > 0)
        return;
    free(s->read_buffer);
    free(s);
}

void http_server_forget(struct http_connection *c)
{
    struct http_server *s = c->server;
    DL_DELETE(s->connections, c);
    s->connection_count--;
    s->refused_count -= c->refused;
    maybe_gone(s);
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct http_listener *li = stream->data;
    struct http_server *s = li->server;
    if (status < 0) /* the client went before we took it */
        return;
    unsigned max = s->conf.connections_max;
    if (s->connection_count - s->refused_count < max)
        http_connection_accept(s, stream, li->is_pipe, HTTP_ACCEPT);
    else if (s->refused_count < REFUSALS_MAX)
        http_connection_accept(s, stream, li->is_pipe, HTTP_ACCEPT_REFUSE);
    else
        http_connection_accept(s, stream, li->is_pipe, HTTP_ACCEPT_CLOSE);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct http_listener *li = h->data;
    struct http_server *s = li->server;
    s->listener_count--;
    free(li);
    maybe_gone(s);
}

static void close_listeners(struct http_server *s)
{
    struct http_listener *li;
    struct http_listener *next;
    LL_FOREACH_SAFE(s->listeners, li, next)
    {
        LL_DELETE(s->listeners, li);
        uv_close(&li->handle.any, on_listener_closed);
    }
}

/* "1.2.3.4:80" or "[::1]:80". */
static int parse_address(const char *text, struct sockaddr_storage *out, struct err *err)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    char *end;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return err_set(err, ERR_CONFIG, "%s is not an address like 127.0.0.1:8080", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    long port = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port < 0 || port > 65535)
        return err_set(err, ERR_CONFIG, "%s has no port between 0 and 65535", text);
    size_t len = strlen(host);
    int rc;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        rc = uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)out);
    } else {
        rc = uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out);
    }
    if (rc < 0)
        return err_set(err, ERR_CONFIG, "%s is not a numeric address with a port", text);
    return 0;
}

/* A socket file that nobody listens on any more is in the way; one with a listener must stay. */
static void remove_dead_socket(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
        errno == ECONNREFUSED)
        (void)unlink(path);
    if (fd >= 0)
        close(fd);
}

static int open_unix(struct http_listener *li, uv_loop_t *uv, const char *path, struct err *err)
{
    li->is_pipe = true;
    uv_pipe_init(uv, &li->handle.pipe, 0);
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return err_set(err, ERR_CONFIG, "the socket path %s is too long", path);
    remove_dead_socket(path);
    int rc = uv_pipe_bind(&li->handle.pipe, path);
    return rc < 0 ? err_set_errno(err, ERR_SYSTEM, -rc, "cannot bind %s", path) : 0;
}

static int open_handed_over(struct http_listener *li, uv_loop_t *uv, int fd, struct err *err)
{
    int domain = 0;
    int listening = 0;
    socklen_t len = sizeof(domain);
    int rc = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    len = sizeof(listening);
    if (rc == 0)
        rc = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    li->is_pipe = domain == AF_UNIX;
    if (li->is_pipe)
        uv_pipe_init(uv, &li->handle.pipe, 0);
    else
        uv_tcp_init(uv, &li->handle.tcp);
    if (rc < 0 || !listening)
        return err_set(err, ERR_CONFIG, "descriptor %d is not a listening socket", fd);
    rc = li->is_pipe ? uv_pipe_open(&li->handle.pipe, fd) : uv_tcp_open(&li->handle.tcp, fd);
    return rc < 0 ? err_set_errno(err, ERR_SYSTEM, -rc, "cannot use descriptor %d", fd) : 0;
}

static int open_tcp(struct http_listener *li, uv_loop_t *uv, const char *address, struct err *err)
{
    struct sockaddr_storage to = {0};
    uv_tcp_init(uv, &li->handle.tcp);
    int rc = parse_address(address, &to, err);
    if (rc < 0)
        return rc;
    rc = uv_tcp_bind(&li->handle.tcp, (struct sockaddr *)&to, 0);
    return rc < 0 ? err_set_errno(err, ERR_SYSTEM, -rc, "cannot bind %s", address) : 0;
}

int http_server_listen(struct http_server *s, const char *address, struct err *err)
{
    struct http_listener *li = mem_alloc(sizeof(*li));
    uv_loop_t *uv = loop_uv(s->loop);
    int rc;
    li->server = s;
    if (strncmp(address, "unix:", 5) == 0)
        rc = open_unix(li, uv, address + 5, err);
    else if (strncmp(address, "fd:", 3) == 0)
        rc = open_handed_over(li, uv, atoi(address + 3), err);
    else
        rc = open_tcp(li, uv, address, err);
    li->handle.any.data = li;
    s->listener_count++;
    if (rc == 0) {
        int uv_rc = uv_listen(&li->handle.stream, BACKLOG, on_connection);
        if (uv_rc < 0)
            rc = err_set_errno(err, ERR_SYSTEM, -uv_rc, "cannot listen on %s", address);
    }
    if (rc < 0) {
        uv_close(&li->handle.any, on_listener_closed);
        return rc;
    }
    LL_APPEND(s->listeners, li);
    return 0;
}

int http_server_port(const struct http_server *s)
{
    struct http_listener *li;
    LL_FOREACH(s->listeners, li)
    {
        struct sockaddr_storage at = {0};
        int len = sizeof(at);
        if (li->is_pipe || uv_tcp_getsockname(&li->handle.tcp, (struct sockaddr *)&at, &len) < 0)
            continue;
        if (at.ss_family == AF_INET6)
            return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
        return ntohs(((struct sockaddr_in *)&at)->sin_port);
    }
    return -1;
}

int http_server_inherited_fd(const char *name)
{
    const char *count_text = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    const char *pid = getenv("LISTEN_PID");
    if (count_text == NULL || names == NULL || (pid != NULL && atol(pid) != (long)getpid()))
        return -1;
    long count = strtol(count_text, NULL, 10);
    for (long i = 0; i < count && names != NULL; i++) {
        const char *colon = strchr(names, ':');
        size_t len = colon != NULL ? (size_t)(colon - names) : strlen(names);
        if (slice_eq((struct slice){names, len}, name))
            return FIRST_HANDOVER + (int)i;
        names = colon != NULL ? colon + 1 : NULL;
    }
    return -1;
}

/* ---- ends ---- */

void http_server_drain(struct http_server *s, loop_f *done, void *user)
{
    struct http_connection *c;
    s->draining = true;
    s->drained = done;
    s->drained_user = user;
    close_listeners(s);
    DL_FOREACH(s->connections, c)
    http_connection_wake(c); /* it closes when it is idle */
    maybe_gone(s);
}

void http_server_free(struct http_server **sp)
{
    struct http_server *s = *sp;
    struct http_connection *c;
    struct http_connection *next;
    if (s == NULL)
        return;
    *sp = NULL;
    s->freed = true;
    s->drained = NULL;
    close_listeners(s);
    DL_FOREACH_SAFE(s->connections, c, next)
    http_connection_cut(c);
    maybe_gone(s);
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->connection_count;
}

const char *http_server_date(struct http_server *s)
{
    int64_t now_ms = world_now_ms(s->world);
    if (s->date[0] == '\0' || now_ms - s->date_ms >= DATE_REFRESH_MS) {
        time_t t = (time_t)(world_wall_ms(s->world) / 1000);
        struct tm tm;
        gmtime_r(&t, &tm);
        (void)strftime(s->date, sizeof(s->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        s->date_ms = now_ms;
    }
    return s->date;
}
