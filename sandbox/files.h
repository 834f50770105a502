/* files.h - the session's files as calls see them: the workspace, and how much goes on there at
 * once. Part of the agent. */
#pragma once
#include "base/slice.h"
#include "sandbox/workspace.h"
#include "sandbox/workspace_name.h"

struct agent;
struct http_exchange;

#define FILES_TRANSFERS_MAX 32u /* what a slow client does not take waits in our memory */
#define FILES_LISTS_MAX     4u

struct files {
    struct workspace workspace;
    unsigned transfers, lists; /* going on */
    int64_t touched_ms;        /* when a transfer last counted as activity */
};

/* The session is there for calls of this kind; else the exchange is ended. Counts as activity. */
bool files_admit(struct http_exchange *x, struct agent *a);
/* One more of `*count` than `max` is refused. */
bool files_enter(struct http_exchange *x, unsigned *count, unsigned max);
/* A transfer goes on: once a second that is activity. */
void files_progress(struct agent *a);
/* ?path=: a folder's name, "" when there is none. ERR_INVALID_ARGUMENT. */
int files_read_folder(struct slice query, char folder[WORKSPACE_NAME_SIZE],
                      struct err *err) CHECK_RESULT;
