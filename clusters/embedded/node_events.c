#include "clusters/embedded/node_events.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/pod_status.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define KEEP_MS  3600000
#define CLEAN_MS 60000

/* One that is stored, oldest first. */
struct kept {
    struct kept *prev, *next;
    char *namespace_name, *name;
    uint64_t digest; /* of what it says, and of whom */
    int64_t since_ms;
};

struct node_events {
    struct loop *loop;
    const struct node_config *config;
    struct object_store *store;
    uint64_t version; /* the history has been read up to here */
    bool planned;
    struct kept *kept;
    unsigned count;
    struct timer *clean;
};

/* What an event is about. */
struct subject {
    const char *kind, *namespace_name, *name, *uid, *version;
};

static void on_clean(void *user);

struct node_events *node_events_new(struct loop *l, const struct node_config *config,
                                    struct object_store *store)
{
    struct node_events *e = mem_alloc(sizeof *e);

    e->loop = l;
    e->config = config;
    e->store = store;
    e->version = object_store_version(store);
    e->clean = timer_new(loop_world(l), on_clean, e);
    timer_start(loop_world(l), e->clean, CLEAN_MS, CLEAN_MS);
    return e;
}

static void forget(struct node_events *e, struct kept *k)
{
    DL_DELETE(e->kept, k);
    e->count--;
    free(k->namespace_name);
    free(k->name);
    free(k);
}

static void remove_oldest(struct node_events *e)
{
    object_store_remove(e->store, OBJECT_EVENT, e->kept->namespace_name, e->kept->name);
    forget(e, e->kept);
}

void node_events_free(struct node_events **events)
{
    struct node_events *e = *events;

    if (!e)
        return;
    while (e->kept)
        forget(e, e->kept);
    timer_free(loop_world(e->loop), &e->clean);
    free(e);
    *events = NULL;
}

static void on_clean(void *user)
{
    struct node_events *e = user;
    int64_t now = world_now_ms(loop_world(e->loop));

    while (e->kept && now - e->kept->since_ms > KEEP_MS)
        remove_oldest(e);
}

static void keep(struct node_events *e, const char *ns, const char *name, uint64_t digest)
{
    struct kept *k = mem_alloc(sizeof *k);

    *k = (struct kept){.namespace_name = mem_text(ns),
                       .name = mem_text(name),
                       .digest = digest,
                       .since_ms = world_now_ms(loop_world(e->loop))};
    DL_APPEND(e->kept, k);
    e->count++;
    while (e->count > NODE_EVENTS_MAX)
        remove_oldest(e);
}

/* FNV-1a. */
static uint64_t digest(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static struct json_t *build(const struct node_events *e, const struct subject *s,
                            const struct node_event *event, const char *name, const char *now)
{
    const char *component = event->scheduler ? "default-scheduler" : "kubelet";
    struct json_t *about = json_build("{s:s, s:s, s:s, s:s}", "kind", s->kind, "name", s->name,
                                      "uid", s->uid, "apiVersion", "v1");
    struct json_t *source = json_build("{s:s}", "component", component);
    struct json_t *j =
        json_build("{s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:i, s:n}", "apiVersion",
                   "v1", "kind", "Event", "metadata", "name", name, "namespace",
                   *s->namespace_name ? s->namespace_name : "default", "reason", event->reason,
                   "message", event->message, "type", event->warning ? "Warning" : "Normal",
                   "firstTimestamp", now, "lastTimestamp", now, "count", 1, "eventTime");

    if (*s->namespace_name)
        json_set_text(about, "namespace", s->namespace_name);
    if (*s->version)
        json_set_text(about, "resourceVersion", s->version);
    if (*event->field)
        json_set_text(about, "fieldPath", event->field);
    if (!event->scheduler)
        json_set_text(source, "host", e->config->name);
    json_set(j, "involvedObject", about);
    json_set(j, "source", source);
    json_set_text(j, "reportingComponent", component);
    json_set_text(j, "reportingInstance", event->scheduler ? "" : e->config->name);
    return j;
}

static struct json_t *repeat(const struct json_t *old, const char *now)
{
    struct json_t *j = json_copy(old);

    json_set_int(j, "count", json_int(json_get(old, "count"), 1) + 1);
    json_set_text(j, "lastTimestamp", now);
    return j;
}

/* The same said of the same is the same event. */
static const struct json_t *find(const struct node_events *e, const char *ns, uint64_t hash)
{
    const struct kept *k = NULL;

    DL_FOREACH(e->kept, k)
    {
        if (k->digest == hash && strcmp(k->namespace_name, ns) == 0)
            return object_store_get(e->store, OBJECT_EVENT, k->namespace_name, k->name);
    }
    return NULL;
}

static void record(struct node_events *e, const struct subject *s, const struct node_event *event)
{
    const char *ns = *s->namespace_name ? s->namespace_name : "default";
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const struct json_t *old = NULL;
    struct err err = {.code = ERR_NONE};
    char name[300], now[32];

    hash = digest(hash, s->uid);
    hash = digest(hash, event->reason);
    hash = digest(hash, event->field);
    hash = digest(hash, event->message);
    old = find(e, ns, hash);
    /* As client-go names them, by the time: where ages are equal, kubectl lists by name. The
     * store's counter is the time, and never the same twice. */
    snprintf(name, sizeof name, "%.230s.%016" PRIx64, s->name, object_store_version(e->store));
    pod_status_time(world_wall_ms(loop_world(e->loop)), now);
    if (object_store_put(e->store, OBJECT_EVENT,
                         old ? repeat(old, now) : build(e, s, event, name, now), &err) < 0)
        LOG(LOG_ERROR, "event_not_stored", KV("error", (const char *)err.msg));
    else if (!old)
        keep(e, ns, name, hash);
}

/* -- pods -- */

struct telling {
    struct node_events *events;
    struct subject subject;
};

static void on_told(const struct node_event *event, void *user)
{
    struct telling *t = user;

    record(t->events, &t->subject, event);
}

static void read_record(struct node_events *e, const struct object_record *r)
{
    struct json_t *now = json_ref(r->now), *before = r->before ? json_ref(r->before) : NULL;
    const struct json_t *meta = json_get(now, "metadata");
    struct telling t = {e,
                        {"Pod", json_get_text(meta, "namespace", ""),
                         json_get_text(meta, "name", ""), json_get_text(meta, "uid", ""),
                         json_get_text(meta, "resourceVersion", "")}};

    /* The references: new events may push this record out of the history. */
    node_events_compare(before, now, e->config->name, on_told, &t);
    json_free(now);
    json_free(before);
}

static void read_history(void *user)
{
    struct node_events *e = user;
    const struct object_record *r = NULL;

    e->planned = false;
    while ((r = object_store_after(e->store, OBJECT_POD, e->version)) != NULL) {
        e->version = r->version;
        if (r->change != OBJECT_DELETED)
            read_record(e, r);
    }
}

/* Once a turn, and not within the change itself. What this adds to the history wakes it again:
 * events are none of its business, so that turn is the last. */
void node_events_wake(struct node_events *e)
{
    if (e->planned)
        return;
    e->planned = true;
    loop_defer(e->loop, read_history, e);
}

/* kubelet names the node where its uid belongs, and kubectl asks for both. */
void node_events_of_node(struct node_events *e, const char *reason, const char *message)
{
    const char *name = e->config->name;
    const struct subject subject = {"Node", "", name, name, ""};
    struct node_event event = {.reason = reason};

    snprintf(event.message, sizeof event.message, "%.600s", message);
    record(e, &subject, &event);
}
