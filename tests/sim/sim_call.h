/* sim_call.h - one HTTP call on the simulated network: from whoever asks to the host it names, its
 * answer back, in pieces that take their time, are held back by a cut link, or break off.
 *
 * Ownership: a call lives until both sides are done with it and nothing of it is on its way. The
 *            asking side is done after on_end or on_fail, or by sim_call_cancel(); the answering
 *            side by sim_call_end() or sim_call_abort().
 * Order:     what one side sends arrives in that order. No callback runs inside of a call to here.
 */
#pragma once
#include "base/buf.h"
#include "http/http_message.h"
#include "sim_world.h"

struct sim_call;

enum sim_failure { SIM_NOT_CONNECTED /* nothing was sent */, SIM_BROKEN, SIM_TIMEOUT };

struct sim_call_events {
    void (*on_head)(struct sim_call *c, const char *head, void *user); /* "HTTP/1.1 200 OK\r\n…" */
    void (*on_data)(struct sim_call *c, struct slice piece, void *user);
    void (*on_end)(struct sim_call *c, void *user);
    void (*on_fail)(struct sim_call *c, enum sim_failure why, void *user);
};

/* Who answers. */
struct sim_call_server {
    /* The request's head is there; its body may still come. */
    void (*on_request)(struct sim_call *c, void *host_user);
    /* Set by on_request with sim_call_serve(); NULL-able. A body's end is a piece of no bytes. */
    void (*on_body)(struct sim_call *c, struct slice piece, void *user);
    void (*on_gone)(struct sim_call *c, void *user);
};

struct sim_host {
    struct sim_process *process;
    const struct sim_call_server *server;
    void *user;
};

struct sim_call_request {
    const char *method, *target;
    const char *fields; /* "Name: value\r\n…", copied */
    struct slice body;
    bool body_streamed;
    int64_t content_length;             /* of a streamed body; -1: chunked */
    int64_t connect_ms;                 /* 0: for ever */
    int64_t head_ms, total_ms, idle_ms; /* 0: for ever */
};

/* host NULL: nobody has that address. Never fails at once. */
struct sim_call *sim_call_start(struct sim_process *from, struct sim_host *host,
                                const struct sim_call_request *r,
                                const struct sim_call_events *events, void *user);
void sim_call_write(struct sim_call *c, struct slice piece);
void sim_call_body_end(struct sim_call *c);
void sim_call_cancel(struct sim_call **c); /* NULL accepted */
/* A byte of the request may have reached the other side. */
bool sim_call_sent(const struct sim_call *c);

/* -- the answering side -- */
const char *sim_call_method(const struct sim_call *c);
const char *sim_call_target(const struct sim_call *c);
const char *sim_call_fields(const struct sim_call *c);
struct sim_process *sim_call_from(const struct sim_call *c);
void sim_call_serve(struct sim_call *c, void *user); /* of on_body and on_gone */
void sim_call_head(struct sim_call *c, int status, const char *fields, int64_t length);
void sim_call_data(struct sim_call *c, struct slice piece);
void sim_call_end(struct sim_call *c);
void sim_call_abort(struct sim_call *c);

/* The process has died: whoever talked with it sees its connections end. */
void sim_call_died(struct sim_process *p);
size_t sim_call_open(const struct sim_process *p); /* calls that it asks or answers */
void sim_call_end_all(void);                       /* with the world */
