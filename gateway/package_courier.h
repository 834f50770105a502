/* package_courier.h - brings a sandbox that installs packages what its installer asks for, from the
 * site's index (docs/adr/002-packages.md).
 *
 * It asks the agent for one question after the other, gets the answer from the index, and streams
 * it into the pod. Ownership: the tender's, while it starts the session; holds a reference to it.
 */
#pragma once

struct gateway;
struct session;
struct package_courier;

/* NULL where this site has no index. */
struct package_courier *package_courier_start(struct gateway *g, struct session *s);
void package_courier_free(struct package_courier **c); /* NULL accepted */
