/* kube_stage.h - an API server that the test plays, and what a watch of it tells, in virtual time.
 *
 * Stands in for kube_client, kube_transport and http_call: one call may be open at a time. */
#pragma once
#include "base/json.h"
#include "clusters/kube_client.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch.h"
#include "fake_world.h"
#include <stdio.h>

struct http_call {
    char path[2048];
    http_call_done_f *done;
    void (*on_data)(struct http_call *c, struct slice piece, void *user);
    void *user;
    int64_t idle_ms, total_ms;
};

static struct fake_world world;
static struct http_call *call; /* the one that is open */
static int calls, cancelled, distrusted;
static bool refuse_start;

struct world *kube_client_world(const struct kube_client *k)
{
    (void)k;
    return &world.world;
}

void kube_client_hear(struct kube_client *k, const struct http_call_result *r)
{
    (void)k;
    (void)r;
}

struct kube_transport *kube_client_transport(const struct kube_client *k)
{
    (void)k;
    return NULL;
}

void kube_transport_escape(struct buf *out, const char *text)
{
    buf_add_text(out, text);
}

void kube_transport_distrust_token(struct kube_transport *t)
{
    (void)t;
    distrusted++;
}

int kube_transport_start(struct kube_transport *t, const struct kube_transport_request *req,
                         http_call_done_f *done, void *user, struct http_call **out,
                         struct err *err)
{
    (void)t;
    if (refuse_start)
        return err_set(err, ERR_CONFIG, "no token");
    assert_null(call); /* never two at a time */
    call = mem_alloc(sizeof(*call));
    snprintf(call->path, sizeof(call->path), "%s", req->path);
    call->done = done;
    call->user = user;
    call->on_data = req->on_data;
    call->idle_ms = req->idle_ms;
    call->total_ms = req->total_ms;
    calls++;
    *out = call;
    return 0;
}

void http_call_cancel(struct http_call **c)
{
    assert_ptr_equal(*c, call);
    free(call);
    call = NULL;
    *c = NULL;
    cancelled++;
}

static void end_with(const struct http_call_result *r)
{
    struct http_call *c = call;

    assert_non_null(c);
    call = NULL;
    c->done(c, r, c->user);
    free(c);
}

static void answer(int status, const char *body)
{
    end_with(
        &(struct http_call_result){.status = status, .body = slice_of(body), .retry_after_s = -1});
}

static void break_with(enum err_code code)
{
    struct err err = {0};

    err_set(&err, code, "broken");
    end_with(&(struct http_call_result){.retry_after_s = -1, .err = &err});
}

static void send_bytes(const char *text, size_t step)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i += step) {
        size_t n = len - i < step ? len - i : step;
        char *copy = mem_alloc(n);
        memcpy(copy, text + i, n);
        call->on_data(call, (struct slice){copy, n}, call->user);
        free(copy);
    }
}

static void stream(const char *text)
{
    send_bytes(text, strlen(text));
}

/* -- what the watch says -- */

static struct kube_watch *watch;
static char heard[4096];
static int synced;

static void on_event(enum kube_event what, const struct json_t *object, void *user)
{
    static const char SIGNS[] = {'+', '~', '-'};
    struct json_t *m = json_get(object, "metadata");
    size_t len = strlen(heard);

    (void)user;
    snprintf(heard + len, sizeof(heard) - len, "%c%s/%s ", SIGNS[what],
             json_get_text(m, "name", "?"), json_get_text(m, "uid", "?"));
}

static void on_synced(void *user)
{
    (void)user;
    synced++;
}

static void expect_heard(const char *text)
{
    assert_string_equal(heard, text);
    heard[0] = '\0';
}

static void expect_path(const char *part)
{
    assert_non_null(call);
    if (!strstr(call->path, part))
        fail_msg("%s is not in %s", part, call->path);
}

static void expect_state(const char *name)
{
    assert_string_equal(kube_watch_state(watch), name);
}

#define POD(name, uid, version)                                                                    \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"b\",\"uid\":\"" uid                      \
    "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define EXPIRED           EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}")

static int stage_set_up(void **state)
{
    static const struct kube_watch_events EVENTS = {on_event, on_synced};

    (void)state;
    fake_world_init(&world, 7);
    calls = cancelled = distrusted = synced = 0;
    heard[0] = '\0';
    refuse_start = false;
    watch = kube_watch_new(
        NULL, &(struct kube_watch_conf){.path = "/pods", .label_selector = "a=b"}, &EVENTS, NULL);
    kube_watch_start(watch);
    assert_int_equal(calls, 0); /* nothing before the start returned */
    fake_world_run(&world, 0);
    return 0;
}

static int stage_tear_down(void **state)
{
    (void)state;
    kube_watch_free(&watch);
    assert_null(call);
    assert_null(world.timers);
    return 0;
}

/* Until the next call, which must come after [least,most] ms. */
static void expect_pause(int64_t least, int64_t most)
{
    int before = calls;
    int64_t began = world.now_ms;

    expect_state("BACKOFF");
    fake_world_run(&world, 0); /* the old call is hung up */
    assert_null(call);
    while (calls == before && world.now_ms < began + 300000)
        fake_world_run(&world, 1);
    assert_in_range(world.now_ms - began, least, most);
}
