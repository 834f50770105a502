/* setup.h - what a session installs before it is ready: the packages it asked for.
 *
 * One run of runtimes/install_packages.sh, which finds them in the folders that the operator
 * offers, or asks for them at the door of the site's index (docs/dependencies.md): same user, walls
 * and limits as any code, but none of the session's executions. Ownership: the agent's part; the
 * run stays with it, for its words. Callbacks: `changed` on every piece of its output and at its
 * end, never before setup_begin() returned. */
#pragma once
#include "base/buf.h"
#include "sandbox/execution.h"
#include "sandbox/package_door.h"

#define SETUP_LINE_SIZE ((size_t)240)
#define SETUP_MAX       64 /* packages of a kind */

enum setup_state { SETUP_NONE, SETUP_RUNNING, SETUP_DONE, SETUP_FAILED };

struct json_t;

struct setup {
    const struct execution_host *agents;
    struct execution_host host;  /* the same, but that what is told comes here */
    struct execution *execution; /* NULL: nothing to install */
    struct package_door door;    /* open while it runs, where the site has an index */
    void (*changed)(void *user);
    void *user;
};

/* `start` is the body of /v1/start: its members "requirements" and "npm", and "index" with the
 * paths at which the door answers for each. SETUP_NONE where both are empty. ERR_INVALID_ARGUMENT,
 * or what execution_start() says. */
int setup_begin(struct setup *s, const struct execution_host *host, const struct json_t *start,
                int64_t timeout_ms, struct err *err) CHECK_RESULT;
enum setup_state setup_state(const struct setup *s);
/* The run that a process leads; NULL: another's. */
struct execution *setup_find_leader(const struct setup *s, pid_t leader);
/* {"state", "line"}: its last line, or what it said at its end; NULL for SETUP_NONE. Gives. */
struct json_t *setup_object(const struct setup *s) CHECK_RESULT;
void setup_stop(struct setup *s, enum execution_cause cause);
