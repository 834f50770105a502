/* tombstone.h - what is remembered of an ended session: its last view, why it ended, which
 * executions it knew. Pure.
 *
 * The text is what Redis holds; a tombstone is opaque but through these functions.
 * Ownership: the tombstone owns its JSON. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "gateway/session_id.h"
#include "gateway/session_spec.h"
#include <uthash.h>

struct json_t;
struct session;

struct tombstone {
    char id[SESSION_ID_SIZE];
    char tenant[SESSION_ID_SIZE];
    char epoch[33];
    bool agreed; /* the agent agreed to the end: its list of executions is complete */
    enum session_cleanup cleanup;
    char last_execution[EXECUTION_ID_SIZE];
    char origin[SESSION_ID_SIZE]; /* the site whose client made it, when not ours; "" */
    char site[SESSION_ID_SIZE];   /* whose store has its results, when not ours; "" */
    struct json_t *executions;    /* array of {execution_id, status, …}; in `json` */
    struct json_t *let_go;        /* text of digests, or NULL; in `json` */
    struct json_t *view;          /* the session object; in `json` */
    struct json_t *json;
    int64_t until_ms, checked_ms; /* monotonic; session_table's */
    UT_hash_handle hh;
};

/* From a session that is over; `executions` is taken: the agent's list, or NULL for what the
 * gateway itself knows. */
struct tombstone *tombstone_new(const struct session *s, bool agreed, struct json_t *executions,
                                const char *site) CHECK_RESULT;
/* Of a session of which nothing is known but its id: what ran there is not, so it did not end by
 * agreement. */
struct tombstone *tombstone_new_lost(const char *session_id, const char *tenant,
                                     const char *site) CHECK_RESULT;
struct tombstone *tombstone_parse(const char *session_id, struct slice text,
                                  struct err *err) CHECK_RESULT;
/* `digests`: of the ids that the agent let go, as GET /v1/let_go gives them; NULL: none. */
void tombstone_set_let_go(struct tombstone *t, struct json_t *digests);
void tombstone_free(struct tombstone **t);
void tombstone_print(const struct tombstone *t, struct buf *out);
/* The list's item, or NULL. */
const struct json_t *tombstone_execution(const struct tombstone *t, const char *execution_id);
/* It ran in that session: it is in the list, or was let go before the end. */
bool tombstone_knows(const struct tombstone *t, const char *execution_id);

#define TOMBSTONE_LET_GO_DIGITS ((size_t)12) /* of the id's SHA-256 in hex */
#define TOMBSTONE_BYTES_MAX     ((size_t)2 * 1024 * 1024)
