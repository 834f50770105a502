/* session_text.h - a session's object as it is sent, kept: most requests are polls of a status that
 * has not changed.
 *
 * Ownership: the text belongs to the session and is valid until the session changes. */
#pragma once
#include "base/slice.h"

struct session;

/* The same bytes as session_view() printed. */
struct slice session_text(struct session *s, const char *site);
void session_text_fini(struct session *s);
