/* netns.h - a network namespace that a file keeps alive: made with loopback up and without IPv6.
 * Blocking: for uv's threads. */
#pragma once
#include "base/cc.h"
#include "base/err.h"

/* `path` is made. The calling thread comes back into the namespace it was in, or the program ends.
 */
int netns_make(const char *path, struct err *err) CHECK_RESULT;
void netns_remove(const char *path);
