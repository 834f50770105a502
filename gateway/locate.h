/* locate.h - where is the session of this id: in memory, in the cluster, at another site, among the
 * dead, nowhere.
 *
 * A session that this gateway does not know is looked for once (its pod, its tombstone and route
 * record, then the other sites) before anybody hears that there is none; a miss is remembered for a
 * second, and looked for at a bounded rate (lookup_budget.h; ERR_OVERLOADED). What must be asked
 * and cannot be is ERR_UNAVAILABLE or ERR_SITE_UNREACHABLE. A session at another site is
 * LOCATE_LIVING with session->site, one that ended there LOCATE_ENDED with tombstone->site.
 * Callbacks: `fn` once, never before locate_start() returned. Sessions and tombstones are borrowed
 * until the next turn. */
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
    bool past; /* ABSENT: it had an earlier life elsewhere, the end of which nobody remembers */
};

struct locator *locator_new(struct gateway *g) CHECK_RESULT;
void locator_free(struct locator **l);

/* From memory alone: true when that settles it. */
bool locate_now(struct gateway *g, const char *id, const char *tenant, struct located *out);
/* Something of that id begins: no miss is remembered any more. */
void locate_forget_miss(struct gateway *g, const char *id);

typedef void locate_f(const struct located *where, const struct err *err, void *user);
/* For those who would begin the session: whether a living pod has the name the cluster will say, so
 * only the dead and the other sites are asked; and a store that does not answer keeps nobody from
 * beginning (absent then), unless a site does not answer that held sessions of ours, or that this
 * gateway never heard. */
#define LOCATE_TO_BEGIN 1u
/* Other sites are not asked: another site asks. */
#define LOCATE_HERE_ONLY 2u
/* For another site that would begin the session: whether it lives here must be known, and a store
 * that does not answer is no reason to fail. */
#define LOCATE_FOR_BEGINNER 4u
/* That a session ended or is ending, or lives at another site, is not taken from memory: it may
 * have begun anew, here or elsewhere, and the watch may be late. */
#define LOCATE_ANEW 8u
/* The end that is remembered here may have been followed by a life at another site, begun through
 * another gateway: a record of that, or its end, is believed; where nothing can be asked, memory.
 */
#define LOCATE_CHECK 16u
void locate_start(struct gateway *g, const char *id, const char *tenant, unsigned how, locate_f *fn,
                  void *user);
