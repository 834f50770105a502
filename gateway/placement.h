/* placement.h - a new session: decide, reserve, create its pod, or meet the one that is there
 * already.
 *
 * The session is in the table, PENDING, as soon as placement_start() returned; whoever wants the
 * outcome waits for it to leave PENDING: CREATING, or ERROR with s->failure (then it is out of the
 * table again). */
#pragma once
#include "base/err.h"
#include "clusters/kube_object.h"

struct decision;
struct gateway;
struct session;
struct session_request;

/* What a sandbox of these resources asks of a node. */
void placement_shape(const struct gateway *g, int64_t millicpu, int64_t memory_bytes,
                     int64_t disk_bytes, struct kube_resources *out);
/* Where would one of this shape go, by what this gateway knows now? True: to another site, for
 * out->reason, if one takes it. `origin`: the site that sent it here; "": none did. Near the edge
 * the other gateways of the site are asked behind that. */
bool placement_decide(struct gateway *g, const char *wish, const char *origin,
                      const struct kube_resources *shape, struct decision *out);
/* `adopt_any`: a session of the same tenant that exists already will do, whatever its request was.
 * NULL with err when refused at once: ERR_CAPACITY_FULL, ERR_QUOTA_EXCEEDED, ERR_UNAVAILABLE,
 * ERR_OVERLOADED. The session is borrowed. */
struct session *placement_start(struct gateway *g, const char *id, const char *tenant,
                                struct session_request *req, bool adopt_any,
                                struct err *err) CHECK_RESULT;
/* A living pod of its name is there already: the session becomes that one's, or err says why not:
 * ERR_SESSION_CONFLICT, ERR_SESSION_STOPPING. */
int placement_meet(struct gateway *g, struct session *s, const struct kube_pod *pod, bool adopt_any,
                   struct err *err) CHECK_RESULT;
/* True when the session was made by the placement that the caller waited for, false when it was
 * met. */
bool placement_was_created(const struct session *s);
