/* request.h - one client's call on its way through the gateway: who asks, for which session, and
 * what it waits for.
 *
 * A handler opens a request, goes from step to step (each a function), and ends it with exactly one
 * of the request_reply…, request_problem… or request_done() calls; the request is gone then. A
 * client that goes away while the request waits ends it too. Ownership: the request owns what its
 * fields say; the exchange is ended with it.
 *
 * Split: request.c opens, waits and ends · request_locate.c finds the session. */
#pragma once
#include "base/buf.h"
#include "base/digest.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "gateway/session_request.h"
#include "http/http_dispatch.h"
#include "sandbox/result_query.h"

struct json_t;
struct located;
struct request;
struct sandbox_call;

typedef void request_step_f(struct request *r);
typedef void request_located_f(struct request *r, const struct located *where);

struct request {
    struct gateway *g;
    struct http_exchange *x;
    const char *operation; /* of the route: for metrics */
    const char *tenant;
    bool hop;                         /* another site sent it: it goes no further */
    char hop_tenant[SESSION_ID_SIZE]; /* in whose name */
    char hop_origin[SESSION_ID_SIZE]; /* which one */
    int64_t begun_ms;
    char id[SESSION_ID_SIZE];          /* "" until it is known */
    char explicit_id[SESSION_ID_SIZE]; /* named by the client in path or field; "": none */
    char minted_id[SESSION_ID_SIZE];   /* nginx' proposal */
    bool is_new_id;                    /* made for this request: it names nothing yet */

    /* what it waits for */
    struct session *s; /* referenced, or NULL */
    struct session_waiter waiter;
    struct timer *timer;
    request_step_f *step;
    request_step_f *fresh_step;
    request_located_f *on_located;
    void (*on_unlocated)(struct request *r, const struct err *err); /* NULL: a problem */
    bool forwards;    /* a session at another site is served by passing the call on */
    bool would_begin; /* a session, where there is none */
    bool of_past;     /* what is kept of the ended session answers */
    bool timed_out;
    bool looked_anew; /* request_locates_anew() */
    int64_t until_ms; /* of the whole wait */

    /* of single operations */
    struct session_request *create; /* owned, or NULL */
    bool placed;                    /* this request began the placement */
    request_step_f *again_step;     /* when who was asked began nothing, or knows nothing */
    int tries;
    bool insists; /* ?recreate=true */
    bool unused;  /* ?unused=true: of another site's DELETE */
    char language[40];
    char execution_id[EXECUTION_ID_SIZE];
    struct result_query query;    /* of a call for a result */
    bool one_shot;                /* the session is for this one execution */
    bool key_given;               /* execution_id came as Idempotency-Key */
    bool is_text;                 /* the body is the code itself */
    bool recalled;                /* earlier incarnations were asked for execution_id */
    char fingerprint[DIGEST_HEX]; /* that execution_id must have had; "": whichever */
    struct buf body;
    bool has_body;
    bool body_taken; /* somebody reads, or has read, the client's body */
    int64_t wait_s;
    int64_t deadline_wall_ms; /* that it wants its session to have */
    bool shortens;            /* that deadline is an earlier one */
    bool has_until;
    enum session_state until_state;
    struct agent_call *call;
    struct remote_call *remote_call;
    const struct sandbox_call *sandbox_call;
    struct slice rest; /* of the path, raw: what the agent's path ends with */
};

/* Which answers a request needs before its handler runs. */
enum request_needs {
    REQUEST_OPEN = 0,
    REQUEST_TENANT = 1,
    REQUEST_READY = 2,
    REQUEST_SITE = 4 /* only gateways of other sites may ask */
};

/* Checks ids before anything else, then the tenant, then whether the gateway is ready. NULL: it was
 * answered. `path_id` {NULL,0}: the path names no session. */
struct request *request_open(struct gateway *g, struct http_exchange *x,
                             const struct http_route_match *m, struct slice path_id,
                             unsigned needs) CHECK_RESULT;
/* The same for what a session has under a name of its own, the path's second part, which is taken
 * for r->execution_id; `what` as in session_id_check_name(). NULL: answered already. */
struct request *request_open_named(struct gateway *g, struct http_exchange *x,
                                   const struct http_route_match *m, const char *what);
/* Content-Type without its parameters, see media_type_read(). */
int request_media_type(const struct request *r, struct slice *type, struct err *err) CHECK_RESULT;
/* The body, if there is one, is JSON, as far as its type tells. */
int request_check_json(const struct request *r, struct err *err) CHECK_RESULT;
/* An id for a session that the client gave none: from its idempotency key, as nginx proposed, or by
 * chance. */
void request_take_new_id(struct request *r, struct slice key);

/* Reply fields that tell the session's id, its site and why it is there. */
void request_say_where(struct request *r);
void request_reply(struct request *r, int status, const char *content_type, struct slice body);
void request_reply_json(struct request *r, int status, struct json_t *body /* takes */);
void request_problem(struct request *r, const struct err *err);
void request_problemf(struct request *r, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The exchange has been ended by somebody else (a relay). */
void request_done(struct request *r, int status);

/* `step` runs when the session changes, or at r->until_ms (then timed_out is set). */
void request_wait(struct request *r, struct session *s, request_step_f *step);
/* `step` runs some time later. */
void request_sleep(struct request *r, int64_t ms, request_step_f *step);
/* While the cluster cannot be seen for a moment (its API server restarts) a create is tried again
 * rather than refused: true, and `step` runs soon, for `err` of placement_start() and early enough.
 */
bool request_retries(struct request *r, const struct err *err, request_step_f *step);
/* How long the answer may take still, so that it is we who give one, and not nginx, whose wait
 * began with the request: of a call that does not wait, and of one that runs code. At least a
 * second. */
int64_t request_left_ms(const struct request *r);
int64_t request_exec_left_ms(const struct request *r);
/* `step` runs once the agent's word on the session is known here: at once where it is tended, else
 * as soon as its agent answered, but at most FRESH_WAIT_MS later. r->s is the session then. */
void request_fresh(struct request *r, struct session *s, request_step_f *step);
/* For such a step: false when that word never came, though others may have run code there; then the
 * request is answered: 503, for "there is nothing" would be a guess. */
bool request_hears(struct request *r);
/* `fn` runs with the session's place; an error is answered here. A call for a session at another
 * site is passed on as it is, and `fn` never runs. */
void request_locate(struct request *r, request_located_f *fn);
/* The same, as LOCATE_ANEW; once a request. False: this one has done so. */
bool request_locates_anew(struct request *r, request_located_f *fn);
/* `fn` runs for sessions at other sites too. */
void request_locate_any(struct request *r, request_located_f *fn);
/* The same, as LOCATE_FOR_BEGINNER and LOCATE_ANEW: another site would begin the session. */
void request_locate_for_beginner(struct request *r, request_located_f *fn);
/* The same, as LOCATE_TO_BEGIN: for those who would begin the session. */
void request_locate_dead(struct request *r, request_located_f *fn);
/* Living session of this tenant, or an answer: 404, and 409 session_ended where it has ended. For
 * calls that need its sandbox. */
bool request_takes_living(struct request *r, const struct located *where);
/* The create request in `body` becomes r->create. As session_request_parse(). */
int request_read_create(struct request *r, struct slice body,
                        const struct session_request_defaults *defaults,
                        struct err *err) CHECK_RESULT;
/* Whole body, at most `max`; then `step`. The body is in r->body. */
void request_collect(struct request *r, size_t max, request_step_f *step);
