/* remote_lookup.h - asks other sites for a session, and puts what they know into the table.
 *
 * Callbacks: exactly once, never before the call returned. */
#pragma once
#include "base/err.h"

struct gateway;
struct remote;

enum remote_lookup_kind {
    REMOTE_LOOKUP_ABSENT,
    REMOTE_LOOKUP_FOUND,   /* it is in the table now, living or ended */
    REMOTE_LOOKUP_FOREIGN, /* another tenant's */
    REMOTE_LOOKUP_SILENT   /* not everybody who might have it could be asked; err says who */
};

struct remote_lookup_answer {
    enum remote_lookup_kind kind;
    bool held;   /* SILENT: one of the silent had sessions of ours when it was last heard */
    bool untold; /* … or never said whether it has */
    struct err err;
};
typedef void remote_lookup_f(const struct remote_lookup_answer *a, void *user);

/* begins: for who would begin the session; a site whose store is silent need only know that it does
 * not live there. */
void remote_lookup_one(struct gateway *g, struct remote *remote, const char *id, const char *tenant,
                       bool begins, remote_lookup_f *fn, void *user);
void remote_lookup_all(struct gateway *g, const char *id, const char *tenant, bool begins,
                       remote_lookup_f *fn, void *user);
/* The remote's words on one session, docs of internal_api.h. True: it is in the table. */
struct json_t;
bool remote_lookup_adopt(struct gateway *g, struct remote *remote, const struct json_t *words);
