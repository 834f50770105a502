/* kube_watch_machine.h - inside of kube_watch: the machine and what its states share (for nobody
 * else).
 *
 * Split: kube_watch.c is the interface, the machine, and what follows when something goes wrong ·
 *        kube_watch_list.c lists by pages · kube_watch_check.c asks whether the server is back ·
 *        kube_watch_stream.c reads the events of a watch.
 * A state's _begin() starts its one call. It and the callbacks of its call end with one of
 * kube_watch_go(), _pause(), _fail(), _expired() and _refused(), or wait for more. */
#pragma once
#include "base/fsm.h"
#include "clusters/kube_watch.h"
#include "clusters/line_splitter.h"
#include "http/http_call.h"

/* STREAMING is a list that comes as the first events of a watch, which then goes on: one call, and
 * the server need not build the list. LISTING is by pages, for servers that cannot do that.
 * CHECKING asks the server for one object: a watch of a quiet resource says nothing for a minute,
 * so after a failure it cannot tell a server that is back from one that takes connections and is
 * silent. */
#define KUBE_WATCH_STATES(X)                                                                       \
    X(KUBE_WATCH, IDLE, FSM_TO(KUBE_WATCH_STREAMING))                                              \
    X(KUBE_WATCH, STREAMING,                                                                       \
      FSM_TO(KUBE_WATCH_WATCHING) | FSM_TO(KUBE_WATCH_LISTING) | FSM_TO(KUBE_WATCH_BACKOFF))       \
    X(KUBE_WATCH, LISTING, FSM_TO(KUBE_WATCH_WATCHING) | FSM_TO(KUBE_WATCH_BACKOFF))               \
    X(KUBE_WATCH, CHECKING,                                                                        \
      FSM_TO(KUBE_WATCH_WATCHING) | FSM_TO(KUBE_WATCH_STREAMING) | FSM_TO(KUBE_WATCH_LISTING) |    \
          FSM_TO(KUBE_WATCH_BACKOFF))                                                              \
    X(KUBE_WATCH, WATCHING, FSM_TO(KUBE_WATCH_BACKOFF))                                            \
    X(KUBE_WATCH, BACKOFF,                                                                         \
      FSM_TO(KUBE_WATCH_STREAMING) | FSM_TO(KUBE_WATCH_LISTING) | FSM_TO(KUBE_WATCH_CHECKING) |    \
          FSM_TO(KUBE_WATCH_WATCHING))

enum kube_watch_state { KUBE_WATCH_STATES(FSM_ENUM) };

#define KUBE_WATCH_PATH_BYTES 16384
#define KUBE_WATCH_PAGE_BYTES ((size_t)64 * 1024 * 1024)
#define KUBE_WATCH_LINE_BYTES                                                                      \
    ((size_t)4 * 1024 * 1024) /* an object may have 1.5 MB, and JSON in it doubles */

struct kube_known;
struct kube_transport_request;

struct kube_watch {
    struct kube_client *client;
    struct world *world;
    struct kube_watch_events events;
    void *user;
    char *path;
    char *selector; /* NULL-able */
    int64_t idle_ms;

    struct fsm fsm;
    enum kube_watch_state next; /* where the timer goes */
    struct timer *timer;
    struct timer *hangup; /* ends `call` on the next turn: not from within its own callback */
    struct http_call *call;
    struct line_splitter lines;
    struct kube_known *known;
    char *version;
    char *page;   /* continue token of the list that is under way */
    int failures; /* since something was seen to work */
    int relists;  /* likewise, those that the server asked for by 410 */
    bool pages;   /* this server does not stream lists */
    bool synced;
    int64_t last_event_ms;
    int64_t began_ms; /* this watch */
    int64_t list_due_ms;
    bool shown;  /* this watch has shown something */
    bool behind; /* it goes on where one failed: what happened meanwhile is to come */
    char error[200];
};

/* -- the states -- */

void kube_watch_list_begin(struct kube_watch *w);
void kube_watch_check_begin(struct kube_watch *w);
void kube_watch_stream_begin(struct kube_watch *w); /* STREAMING or WATCHING */

/* -- asking -- */

/* A GET of `path`, which gets the selector behind it and is freed; `req` has the limits. When the
 * call cannot be started that is a failure like others. */
void kube_watch_ask(struct kube_watch *w, struct kube_transport_request *req, struct buf *path,
                    http_call_done_f *done);
bool kube_watch_is_good(const struct http_call_result *r); /* 2xx */

/* -- moving on -- */

/* From a state to one that it leads to, without a pause. Who says LISTING gets STREAMING where the
 * server can do that. */
void kube_watch_go(struct kube_watch *w, enum kube_watch_state next, int64_t after_ms);
/* By BACKOFF, for a moment that spreads gateways: no failure. */
void kube_watch_pause(struct kube_watch *w, enum kube_watch_state next);
/* By BACKOFF, longer with each failure and at least for as long as the server asks. Until the first
 * list is complete it is always LISTING that follows. */
void kube_watch_fail(struct kube_watch *w, enum kube_watch_state next, int64_t retry_after_s,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);
void kube_watch_worked(struct kube_watch *w); /* the failures until now count no more */
/* 410: what we know is too old to go on from. */
void kube_watch_expired(struct kube_watch *w);
/* An answer that is none or not 2xx. */
void kube_watch_refused(struct kube_watch *w, const struct http_call_result *r);

/* -- objects -- */

void kube_watch_set_version(struct kube_watch *w, const char *version); /* "" changes nothing */
/* One that is there: told if it is new or has changed. */
void kube_watch_show(struct kube_watch *w, const struct json_t *object);
/* One that is not there any more. */
void kube_watch_remove(struct kube_watch *w, const struct json_t *object);
/* All that is there at `version` was shown since kube_known_begin_list(): tells of what was lost,
 * and that the list is complete. */
void kube_watch_list_complete(struct kube_watch *w, const char *version);
