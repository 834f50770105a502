/* result_pending.h - the result of a session in which nothing was submitted yet. Pure. */
#pragma once
struct json_t;

/* The result object without outputs; gives. */
struct json_t *result_pending_meta(const char *session_id);
