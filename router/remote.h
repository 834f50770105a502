/* remote.h - the other sites as they are seen from here: how they are called, whether that is worth
 * trying, and how much room they said to have.
 *
 * Every call goes through the breaker of its remote and feeds it. Each remote is asked for its
 * capacity every few seconds; with an open breaker that question is the probe.
 * Ownership: `remotes` owns each remote; calls belong to the caller until their end. */
#pragma once
#include "http/call_relay.h"
#include "http/http_call.h"
#include "router/breaker.h"
#include "router/remote_choice.h"
#include "router/remote_conf.h"

struct loop;
struct remotes;
struct remote;

/* What a remote says of itself. */
struct remote_capacity {
    char state[16]; /* "open", "closed", … ; "" before the first answer */
    char reason[32];
    int64_t slots;    /* -1: not known */
    int64_t sessions; /* of ours there */
    bool told;        /* it has said so since this gateway began */
};

struct remotes *remotes_new(struct loop *l, struct http_caller *h, const struct remote_conf *confs,
                            size_t count, const char *own_site) CHECK_RESULT;
void remotes_free(struct remotes **r);
size_t remotes_count(const struct remotes *r); /* 0 for NULL too */
struct remote *remotes_at(const struct remotes *r, size_t i);
struct remote *remotes_get(const struct remotes *r, const char *name); /* NULL: none of that name */
/* For the decision: fills at most REMOTES_MAX rows, in order; gives their number. */
size_t remotes_choices(struct remotes *r, struct remote_choice_site out[REMOTES_MAX]);

/* Is told of each call's end: word is "ok" or an error's code. */
typedef void remotes_watch_f(struct remote *r, const char *operation, const char *outcome,
                             int64_t took_ms, void *user);
void remotes_on_call(struct remotes *r, remotes_watch_f *fn, void *user);

const char *remote_name(const struct remote *r);
const struct remote_capacity *remote_capacity(const struct remote *r);
enum breaker_state remote_breaker(struct remote *r);
uint64_t remote_breaker_openings(const struct remote *r);
/* Its last call failed, or it was not heard for a while: what is known of it may be old. */
bool remote_is_doubtful(struct remote *r);
bool remote_is_reachable(struct remote *r);     /* ordinary calls go */
int64_t remote_seen_ms(const struct remote *r); /* monotonic; 0: never */
int64_t remote_seen_wall_ms(const struct remote *r);
/* One more of our sessions goes there, before its next word on that. */
void remote_note_session(struct remote *r);
/* The remote said so itself, in an answer. */
void remote_note_full(struct remote *r);

/* -- one call with a small answer -- */

struct remote_result {
    int status; /* 0: no answer */
    struct slice body;
    const struct err *err; /* no answer: ERR_SITE_UNREACHABLE, or the call's own */
    bool not_sent;         /* nothing can have reached the remote */
    bool not_started;      /* it answered, and said that it began nothing */
    bool full;             /* and why: no room */
};
typedef void remote_done_f(const struct remote_result *result, void *user);

struct remote_request {
    const char *operation; /* for metrics: bounded */
    const char *method;
    const char *target;     /* "/internal/v1/…" */
    const char *tenant;     /* NULL-able */
    const char *epoch;      /* NULL-able */
    const char *request_id; /* NULL-able */
    struct slice body;
    int64_t total_ms;
    size_t reply_max; /* 0: 256 KiB */
    bool is_probe;    /* goes through an open breaker whose pause is over */
};

struct remote_call;
/* Never NULL; `done` once, never before this returned, not after cancel. */
struct remote_call *remote_call_start(struct remote *r, const struct remote_request *req,
                                      remote_done_f *done, void *user) CHECK_RESULT;
void remote_call_cancel(struct remote_call **c); /* NULL accepted */

/* -- a client's exchange passed on -- */

#define REMOTE_FIELDS_MAX 8
struct remote_fields {
    struct http_header rows[REMOTE_FIELDS_MAX];
    unsigned count;
};
/* Fields that tell who asks; they point into the remote and the arguments. */
void remote_fields(const struct remote *r, const char *tenant, const char *epoch,
                   struct remote_fields *out);
char *remote_url(const struct remote *r, const char *target) CHECK_RESULT; /* the caller frees */
struct http_call_tls remote_tls(const struct remote *r);
/* How such a call went: `err` NULL when an answer came. `begun_ms`: when it began. */
void remote_note_call(struct remote *r, const char *operation, int64_t begun_ms, int status,
                      const struct err *err);
