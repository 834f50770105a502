#include "gateway/ending_machine.h"

#include "base/json.h"
#include "base/log.h"
#include "gateway/agent_call.h"
#include "gateway/execution_census.h"
#include "gateway/gateway.h"
#include "gateway/record_copy.h"
#include "gateway/session.h"
#include "gateway/site_clock.h"

#include <stdio.h>

#define CALL_MS           3000
#define AGENT_PATIENCE_MS 5000 /* how long a forced end asks an agent that does not answer */

/* -- QUIESCE -- */

static void agent_failed(struct ending *e)
{
    bool forced = ending_rules(e)->forced;
    if (!forced && ending_step_now(e) == ENDING_STEP_QUIESCE) {
        ending_abandon(e); /* an agent that does not answer is left alone until the hard deadline */
        return;
    }
    if ((forced && ending_now_ms(e) - e->begun_ms > AGENT_PATIENCE_MS) || ending_past_grace(e))
        e->silent_agent = true;
    ending_retry(e);
}

static void on_quiesced(int status, struct slice body, const struct err *err, void *user)
{
    struct ending *e = user;
    struct session_activity activity;
    struct err bad;
    e->call = NULL;
    if (!err && status == 409 && !ending_rules(e)->forced) {
        ending_abandon(e);
        return;
    }
    if (err || status != 200 || session_activity_parse(&activity, body, &bad) < 0) {
        agent_failed(e);
        return;
    }
    e->agreed = true;
    e->unstored = json_ref(activity.unstored);
    session_see_activity(e->s, &activity, ending_now_ms(e), site_clock_ms(e->g));
    ending_show_stopping(e);
    ending_go(e, ENDING_STEP_LIST);
}

static void ask_consent(struct ending *e)
{
    char body[160];
    bool forced = ending_rules(e)->forced;
    int64_t idle_ms = e->cause == ENDING_COMPLETION ? e->s->spec.linger_ms
                      : e->cause == ENDING_UNUSED   ? 0
                                                    : e->s->spec.idle_ms;
    if (forced)
        snprintf(body, sizeof(body), "{\"epoch\":\"%s\",\"force\":true,\"cause\":\"%s\"}",
                 e->s->epoch, ending_rules(e)->word);
    else
        snprintf(body, sizeof(body), "{\"epoch\":\"%s\",\"if_idle_ms\":%lld}", e->s->epoch,
                 (long long)idle_ms);
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = "/v1/quiesce",
                                           .body = slice_of(body),
                                           .total_ms = CALL_MS};
    e->call = agent_call_start(e->g, e->s, &req, on_quiesced, e);
}

void ending_step_quiesce(struct ending *e)
{
    if (ending_agent_is_out(e) || !ending_rules(e)->asks_agent) {
        ending_go(e, ENDING_STEP_LOOK);
    } else if (session_never_was_ready(e->s)) {
        ending_go(e, ENDING_STEP_WITHDRAW);
    } else {
        ask_consent(e);
    }
}

/* -- LIST, COPY -- */

/* Without a whole list the tombstone says what is known, and that it may not be all. */
static void on_told(const struct execution_told *told, const struct err *err, void *user)
{
    struct ending *e = user;
    e->census = NULL;
    if (err) {
        agent_failed(e);
        return;
    }
    e->executions = json_ref(told->kept);
    e->let_go = json_ref(told->let_go);
    e->complete = told->complete;
    ending_go(e, ENDING_STEP_COPY);
}

void ending_step_list(struct ending *e)
{
    if (ending_agent_is_out(e))
        ending_go(e, ENDING_STEP_LOOK);
    else
        e->census = execution_census_start(e->g, e->s, on_told, e);
}

static void on_copied(const struct err *err, void *user)
{
    struct ending *e = user;
    e->copy = NULL;
    if (!err) {
        ending_go(e, ENDING_STEP_TOMBSTONE);
        return;
    }
    /* The store is down, or the agent: results are waited for until the hard deadline. */
    LOG(LOG_WARN, "result_copy_failed", KV("session", e->s->id), KV("error", err->msg));
    if (ending_past_grace(e))
        ending_go(e, ENDING_STEP_TOMBSTONE);
    else
        ending_retry(e);
}

void ending_step_copy(struct ending *e)
{
    if (ending_agent_is_out(e))
        ending_go(e, ENDING_STEP_LOOK);
    else
        e->copy = record_copy_start(e->g, e->s, e->unstored, on_copied, e);
}
