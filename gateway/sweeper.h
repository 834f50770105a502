/* sweeper.h - what nobody looks after: every couple of seconds each gateway goes through the site's
 * sessions and takes over those whose tender is gone, and ends those that are over without anybody
 * having noticed.
 *
 * Duties are shared by peers_own_duty(), which only saves work: doing one twice is harmless, and
 * who finds a session untended for long takes it whoever owns it. */
#pragma once
#include "base/cc.h"

struct gateway;
struct sweeper;

struct sweeper *sweeper_new(struct gateway *g) CHECK_RESULT; /* starts by itself */
void sweeper_free(struct sweeper **s);
