/* redis_client.h - commands to one Redis on the loop, over a connection that is kept up.
 *
 * URL: redis_url.h. A host name is resolved off the loop. With Sentinel the client begins nowhere,
 * and redis_sentinel.h moves it to the master. Every command has a time-out of our own; when it
 * passes the connection is dropped and made anew (back-off 50 ms … 2 s). Callbacks: exactly once,
 * never before redis_command() returned. While there is no connection a command fails with
 * ERR_STORE on the next turn. The log has `redis_up` and `redis_lost`. */
#pragma once
#include "base/err.h"
#include "base/fsm.h"
#include "router/redis_value.h"

struct loop;
struct redis_client;
struct redis_place;

/* err NULL: `value` is the answer (an error answer of Redis is ERR_STORE with its text). */
typedef void redis_done_f(const struct redis_value *value, const struct err *err, void *user);

struct redis_client *redis_client_new(struct loop *l, const char *url, const char *password,
                                      int64_t timeout_ms, struct err *err) CHECK_RESULT;
void redis_client_free(struct redis_client **r); /* pending callbacks run with ERR_STORE */
void redis_command(struct redis_client *r, const struct slice *args, int count, redis_done_f *done,
                   void *user);
/* The master is there now. Where that is another place, the connection is made anew at once. */
void redis_client_move(struct redis_client *r, const struct redis_place *to);
bool redis_client_up(const struct redis_client *r);
/* For how long the connection has been up; 0 while there is none. */
int64_t redis_client_up_ms(const struct redis_client *r);
/* What went wrong last, for people; "" while the connection is good. */
const char *redis_client_error(const struct redis_client *r);

/* How commands ended, and connections that came up, since the start. */
struct redis_counts {
    uint64_t answered;
    uint64_t errors;  /* Redis said no */
    uint64_t lost;    /* sent, and the answer did not come in time, or the connection ended */
    uint64_t refused; /* there was no connection */
    uint64_t connections;
};
const struct redis_counts *redis_client_counts(const struct redis_client *r);

extern const struct fsm_table REDIS_CLIENT_FSM;
