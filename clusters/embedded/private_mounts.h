/* private_mounts.h - a mount namespace of the node's own, where cgroups look as crun can use them.
 *
 * What is mounted for pods is seen by nobody else and goes with the last process of the namespace.
 * Call before any thread exists. */
#pragma once
#include "base/cc.h"
#include "base/err.h"

int private_mounts_enter(struct err *err) CHECK_RESULT;
