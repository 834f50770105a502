/* gateway_metrics.h - the gateway's metrics: declared in one place, counted where things happen. */
#pragma once
#include "base/buf.h"
#include <stdint.h>

struct gateway;
struct gateway_metrics;

/* What a session waits for until it is ready, one after the other. */
enum gateway_phase {
    GATEWAY_PHASE_PLACE,    /* the decision, and the API server's answer to the pod */
    GATEWAY_PHASE_SCHEDULE, /* a node */
    GATEWAY_PHASE_POD,      /* the pod's readiness */
    GATEWAY_PHASE_AGENT,    /* the agent's first answer */
    GATEWAY_PHASE_COUNT
};

struct gateway_metrics *gateway_metrics_new(void) CHECK_RESULT;
void gateway_metrics_free(struct gateway_metrics **m);

void gateway_metrics_request(struct gateway_metrics *m, const char *operation, int status,
                             int64_t took_ms);
/* Answered before any call was recognised. */
void gateway_metrics_refused(struct gateway_metrics *m);
void gateway_metrics_placement(struct gateway_metrics *m, const char *site, const char *reason);
void gateway_metrics_remote_call(struct gateway_metrics *m, const char *site, const char *operation,
                                 const char *outcome, int64_t took_ms);
void gateway_metrics_session_started(struct gateway_metrics *m, int64_t took_ms);
void gateway_metrics_session_phase(struct gateway_metrics *m, enum gateway_phase phase,
                                   int64_t took_ms);
/* A call of our own to an agent; status 0: no answer. */
void gateway_metrics_agent_call(struct gateway_metrics *m, int status);
void gateway_metrics_pod_deleted(struct gateway_metrics *m, const char *cause);
void gateway_metrics_result(struct gateway_metrics *m, bool stored);
void gateway_metrics_execution(struct gateway_metrics *m, const char *language);
/* A session that this gateway did not know was looked for. */
void gateway_metrics_lookup(struct gateway_metrics *m, const char *outcome);
void gateway_metrics_store_damaged(struct gateway_metrics *m, const char *what);
void gateway_metrics_takeover(struct gateway_metrics *m);

/* Reads the gauges from the gateway and prints all. */
void gateway_metrics_print(struct gateway_metrics *m, struct gateway *g, struct buf *out);
/* The table of all families, for the documentation. */
void gateway_metrics_print_markdown(const struct gateway_metrics *m, struct buf *out);
