/* locate.h - where is the session of this id: in memory, in the cluster, among the dead, nowhere.
 *
 * A session that this gateway does not know is looked for once (its pod, then its tombstone) before
 * anybody hears that there is none; a miss is remembered for a second. What must be asked and
 * cannot be is ERR_UNAVAILABLE. Callbacks: `fn` once, never before locate_start() returned.
 * Sessions and tombstones are borrowed until the next turn. */
#pragma once
#include "base/err.h"

struct gateway;
struct session;
struct tombstone;
struct locator;

enum locate_kind {
    LOCATE_ABSENT,
    LOCATE_FOREIGN, /* another tenant's: absent, but the id is taken */
    LOCATE_LIVING,
    LOCATE_ENDED
};

struct located {
    enum locate_kind kind;
    struct session *session;
    const struct tombstone *tombstone;
};

struct locator *locator_new(struct gateway *g) CHECK_RESULT;
void locator_free(struct locator **l);

/* From memory alone: true when that settles it. */
bool locate_now(struct gateway *g, const char *id, const char *tenant, struct located *out);
/* Something of that id begins: no miss is remembered any more. */
void locate_forget_miss(struct gateway *g, const char *id);

typedef void locate_f(const struct located *where, const struct err *err, void *user);
void locate_start(struct gateway *g, const char *id, const char *tenant, locate_f *fn, void *user);
/* For those who would begin the session: whether a living pod has the name the cluster will say, so
 * only the dead are asked; and a store that does not answer keeps nobody from beginning (absent
 * then). */
void locate_start_dead(struct gateway *g, const char *id, const char *tenant, locate_f *fn,
                       void *user);
