/* stray_check.h - is this pod a stray, or may it be its session? Asked of Redis, and of the site
 * that a route record names, after the pod was made and before anything is submitted to it.
 *
 * Who places a session elsewhere writes its claim first and then asks for a pod of that name
 * (remote_placement.c). So of two gateways that place one session at two sites at least one sees
 * the other, and a pod that the API server makes long after its gateway gave it up meets the claim.
 * Where that pod comes after a whole later life of its session, the end of which is known, what ran
 * then would run again in it.
 *
 * Ownership: a check is its own until `done` ran or stray_check_cancel() returned.
 * Callbacks: once, never before stray_check_start() returned; not after cancel. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>

struct gateway;
struct session;
struct stray_check;

enum stray_check_verdict {
    STRAY_CHECK_NO,       /* nothing is known against it (Redis may not have answered) */
    STRAY_CHECK_YES,      /* its session lives at another site, or has lived since it was decided */
    STRAY_CHECK_UNSETTLED /* somebody is about to place it, or to say where it is: ask again */
};
typedef void stray_check_f(enum stray_check_verdict v, void *user);

/* Is there anything to ask? */
bool stray_check_needed(const struct gateway *g, const struct session *s);
struct stray_check *stray_check_start(struct gateway *g, struct session *s, stray_check_f *done,
                                      void *user) CHECK_RESULT;
void stray_check_cancel(struct stray_check **c); /* NULL accepted */
