/* contexts.h - the contexts of a session: made, found, counted; those that ended leave a sentence.
 *
 * Loop: all on the loop. Ownership: owns its contexts; what it was initialized with is borrowed. */
#pragma once
#include "sandbox/context.h"

#define CONTEXTS_MAX      4
#define CONTEXTS_PAST_MAX 16 /* whose end is remembered */

struct contexts {
    struct context_host host;
    struct context *items[CONTEXTS_MAX * 2]; /* those that end included */
    size_t count;
    struct context_past {
        char id[65];
        char why[96];
    } past[CONTEXTS_PAST_MAX];
    size_t past_next;
    void (*changed)(void *user);
    size_t (*kill_strays)(void *user);
    void *user;
};

struct contexts_conf {
    struct context_host host; /* without `ended` */
    void (*changed)(void *user);
};

void contexts_init(struct contexts *l, const struct contexts_conf *conf);
/* `id` NULL or "": one is minted. ERR_TOO_MANY_CONTEXTS, ERR_CONTEXT_CONFLICT, ERR_UNAVAILABLE. */
struct context *contexts_make(struct contexts *l, const char *id, const struct language *language,
                              struct err *err) CHECK_RESULT;
/* NULL: ERR_CONTEXT_NOT_FOUND, ERR_CONTEXT_ENDED. */
struct context *contexts_find(struct contexts *l, const char *id, struct err *err) CHECK_RESULT;
bool contexts_reaped(struct contexts *l, pid_t pid);
size_t contexts_leaders(const struct contexts *l, pid_t *out, size_t max);
void contexts_kill_all(struct contexts *l, const char *why);
struct json_t *contexts_list(const struct contexts *l) CHECK_RESULT;
