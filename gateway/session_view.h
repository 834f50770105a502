/* session_view.h - the session object that clients see. Pure. */
#pragma once
#include "base/cc.h"

struct session;
struct json_t;

struct json_t *session_view(const struct session *s, const char *site) CHECK_RESULT; /* gives */
