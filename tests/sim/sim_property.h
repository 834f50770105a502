/* sim_property.h - what must hold, whatever happens: looked at after every step, when something
 * that matters happens, and after quiet. The first broken property ends the history. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>

struct http_exchange;
struct sim_agent;
struct sim_history;
struct sim_pod;
struct sim_site;

/* Prints the property, what broke it, and the command that replays the history; ends the program.
 */
void sim_violated(const char *property, const char *fmt, ...) PRINTF_LIKE(2, 3) NORETURN;

void sim_property_begin(struct sim_history *h);
void sim_property_end(void);

/* -- what happens -- */
void sim_property_pod_made(const struct sim_pod *p);
void sim_property_pod_lost(const struct sim_pod *p); /* by a fault */
void sim_property_deleted(const struct sim_pod *p);  /* is about to be; it may run yet */
void sim_property_started(struct sim_agent *a);
void sim_property_submitted(const struct sim_agent *a, const char *execution_id);
void sim_property_accepted(const char *session, const char *execution_id);
void sim_property_result(const char *session, const char *execution_id, bool as_it_ran);
void sim_property_no_result(const char *session, const char *execution_id, const char *what);
/* Its create was answered: there it is. */
void sim_property_promised(const char *session, const char *site);
void sim_property_delete_asked(const char *session);
void sim_property_told_over(const char *session); /* to a client, just now */
void sim_property_unanswered(const char *session);
/* What arrives at a gateway; goes on to its API. The user is a struct sim_gateway. */
void sim_property_serve(struct http_exchange *x, void *gateway);

/* -- what is -- */
void sim_property_after_step(void);
void sim_property_after_quiet(struct sim_history *h);
