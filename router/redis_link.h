/* redis_link.h - one connection to one Redis on the loop (the only room that knows hiredis, 0.14).
 *
 * Ends once, by `ended` or by redis_link_drop(), and frees itself then: nobody touches it any more.
 * Each command that was sent is given back exactly once by `answered`, after the end too, by when
 * value and error are both NULL. No callback comes before the call that caused it returned, but for
 * what redis_link_drop() gives back. No time-outs: they are the caller's. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "router/redis_value.h"
#include <stdbool.h>

struct loop;
struct redis_link;

struct redis_link_ops {
    void (*connected)(void *user);
    void (*ended)(const char *why, void *user);
    /* error: Redis said no, in its own words. */
    void (*answered)(const struct redis_value *value, const char *error, void *command);
};

/* path: of a unix socket; "": TCP to an address (not a name: that would block). */
struct redis_link *redis_link_new(struct loop *l, const char *path, const char *address, int port,
                                  const struct redis_link_ops *ops, void *user,
                                  struct err *err) CHECK_RESULT;
void redis_link_drop(struct redis_link *l); /* `ended` does not come */
/* False: it cannot be sent, and `answered` does not come. */
bool redis_link_send(struct redis_link *l, const struct slice *args, int count,
                     void *command) CHECK_RESULT;
void redis_link_read(struct redis_link *l);  /* what lies in the socket, now */
void redis_link_flush(struct redis_link *l); /* what was asked for, as far as the socket takes it */

#define REDIS_ARGS_MAX 32 /* of one command */
