/* route_record.h - which sessions run at other sites, in Redis: an index, not the truth, so that
 * losing it costs a question and no session.
 *
 * - spillway:{ID}:r: pending → active → closing → gone; a hash of state, site, epoch, tenant,
 *   fingerprint; of a claim (pending) until when it holds and where the session lived before. For
 *   one epoch it only goes forward; another epoch takes it over when the caller names the old one,
 *   or it is gone.
 * - spillway:routes:SITE: is there while all records are: a Redis that lost them lost this too.
 * - spillway:deletes:SITE: remote sessions still to be deleted ("ID EPOCH", by time).
 * - spillway:looks:SITE: remote sessions whose records somebody has to close when they end.
 *
 * Callbacks: exactly once, never before the call returned. Ownership: borrows the client; records
 * in callbacks are borrowed. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_client;
struct route_records;

enum route_state { ROUTE_PENDING, ROUTE_ACTIVE, ROUTE_CLOSING, ROUTE_GONE };

#define ROUTE_EPOCH_NONE "-" /* of a claim that was taken back */

struct route_record {
    enum route_state state;
    char site[64];
    char epoch[33];
    char tenant[64];
    char fingerprint[65];
    char lived[64];       /* of a claim: where the session lived before; "" */
    char lived_epoch[33]; /* … to be written of one, and of one taken back; not read */
};
/* The session began there; else the claim was taken back before. */
bool route_record_has_lived(const struct route_record *r);

struct route_answer {
    bool found;    /* `record` is there; of a write: another's, and nothing was written */
    bool damaged;  /* of route_record_get(): something is there that we did not write; not `sure` */
    bool complete; /* of route_record_get(): Redis has lost none that were written */
    bool settled;  /* of route_record_get(): nor is one still to be written, or written anew */
    bool sure;     /* of route_record_get(): both: what is not found is not there */
    struct route_record record;
};
typedef void route_record_f(const struct route_answer *a, const struct err *err, void *user);

/* `site`: our own name. `active_ms`: longer than any session can live. `gone_ms`: how long the end
 * is remembered. `settle_ms`: how long after Redis is back other gateways may still be writing what
 * they could not write while it was away. */
struct route_records_conf {
    const char *site;
    int64_t active_ms, gone_ms, settle_ms;
};
struct route_records *route_records_new(struct redis_client *r,
                                        const struct route_records_conf *conf) CHECK_RESULT;
void route_records_free(struct route_records **r);

void route_record_get(struct route_records *r, const char *id, route_record_f *fn, void *user);
/* Writes where nothing stands in the way: no record, one that is gone (of the same tenant), the
 * same epoch not further on, or one that is still pending: of the epoch `instead_of` (NULL-able),
 * or any where this one is active, since who lives is more than who would. Where a claim
 * is taken back, or its time is over, a life before it is what the record says again: the one that
 * stood there before, or else the one that the claim names. */
void route_record_write(struct route_records *r, const char *id, const struct route_record *record,
                        const char *instead_of, route_record_f *fn, void *user);
/* Nobody shall take that incarnation into use: where the record is gone it says `closing` of it
 * from now on, in one step. Another's that stands is the answer, as of a write; where there is
 * none, nothing is written. */
void route_record_condemn(struct route_records *r, const char *id, const char *site,
                          const char *epoch, route_record_f *fn, void *user);
/* From now on what has no record is not there. */
void route_records_mark_complete(struct route_records *r, route_record_f *fn, void *user);

/* -- what the gateways of a site share out among them, for each remote -- */

enum route_queue {
    ROUTE_QUEUE_DELETES, /* that the remote has not heard yet */
    ROUTE_QUEUE_LOOKS    /* whether the session lives on, or its record is to be closed */
};

#define ROUTE_QUEUE_MAX 32 /* of one answer */
struct route_item {
    char id[64];
    char epoch[33];
    bool wanted; /* a delete: by a client, so that it may end what is in use */
};
struct route_item route_item_of(const char *id, const char *epoch); /* nobody's wish */
typedef void route_queue_f(const struct route_item *items, size_t count, const struct err *err,
                           void *user);
/* Due after so long; where it stands there already: from now on. */
void route_queue_add(struct route_records *r, enum route_queue q, const char *remote,
                     const struct route_item *i, int64_t after_ms, route_record_f *fn, void *user);
/* What is due; it is due again after `lease_ms`, unless route_queue_done() says that it was done.
 */
void route_queue_take(struct route_records *r, enum route_queue q, const char *remote,
                      int64_t lease_ms, route_queue_f *fn, void *user);
void route_queue_done(struct route_records *r, enum route_queue q, const char *remote,
                      const struct route_item *i, route_record_f *fn, void *user);

/* -- how they went, since the start -- */

enum route_operation {
    ROUTE_OP_READ,
    ROUTE_OP_WRITE,
    ROUTE_OP_DROP,
    ROUTE_OP_COMPLETE,
    ROUTE_OP_DELETES,
    ROUTE_OP_LOOKS,
    ROUTE_OP_COUNT
};
struct route_counts {
    uint64_t done[ROUTE_OP_COUNT], failed[ROUTE_OP_COUNT];
};
const struct route_counts *route_records_counts(const struct route_records *r);
const char *route_operation_word(enum route_operation o);
