/* stray_pods.h - pods whose session is at another site (stray_check.h): nobody uses them, and they
 * go, by their UID. While one is here it is no session of this gateway.
 *
 * Ownership: what is in the list belongs to it until the store shows the pod no more. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>

struct gateway;
struct kube_pod;
struct session;
struct stray_pods;

struct stray_pods *stray_pods_new(struct gateway *g) CHECK_RESULT;
void stray_pods_free(struct stray_pods **s); /* NULL accepted */

/* True: the pod is in the list, and is to be passed by. */
bool stray_pods_has(const struct stray_pods *l, const struct kube_pod *pod);
/* True: a pod of the session is in the list; whether it is used is to be settled. */
bool stray_pods_has_session(const struct stray_pods *l, const char *id);
/* A pod has come up here of a session that is known to be elsewhere: which is right? If it is the
 * pod, session_sync_again() takes it up. */
void stray_pods_look(struct gateway *g, const struct kube_pod *pod);
/* The session's pod goes, and the session is over here; whoever waits for it looks for it anew. */
void stray_pods_remove(struct gateway *g, struct session *s);
