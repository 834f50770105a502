#include "gateway/debug_states.h"

#include "base/json.h"
#include "clusters/kube_object.h"
#include "clusters/kube_watch.h"
#include "clusters/pod_worker_states.h"
#include "gateway/debug_api.h"
#include "gateway/ending.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/tender.h"
#include "http/upstream_pool.h"
#include "router/redis_client.h"
#include "sandbox/execution_states.h"
#include "watermark/level.h"

static const struct fsm_table *const TABLES[] = {
    &SESSION_FSM,    &TENDER_FSM, &ENDING_FSM,       &EXECUTION_FSM,     &POD_WORKER_FSM,
    &KUBE_WATCH_FSM, &LEVEL_FSM,  &REDIS_CLIENT_FSM, &UPSTREAM_CONN_FSM,
};

static struct json_t *table_json(const struct fsm_table *t)
{
    struct json_t *states = json_new_array(), *edges = json_new_array();
    for (int from = 0; from < t->count; from++) {
        json_add(states, json_new_text(t->states[from].name));
        for (int to = 0; to < t->count; to++) {
            if (t->states[from].to & FSM_TO(to))
                json_add(edges, json_build("[s,s]", t->states[from].name, t->states[to].name));
        }
    }
    return json_build("{s:s,s:o,s:o}", "machine", t->machine, "states", states, "edges", edges);
}

void debug_states_tables(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, (struct slice){0}, REQUEST_OPEN);
    if (!r)
        return;
    struct json_t *items = json_new_array();
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++)
        json_add(items, table_json(TABLES[i]));
    request_reply_json(r, 200, json_build("{s:o}", "items", items));
}

static struct json_t *changes_json(const struct session *s)
{
    const struct fsm_state *states = s->fsm.table->states;
    const struct fsm_step *step;
    struct json_t *list = json_new_array();
    char at[32];
    for (unsigned i = 0; (step = fsm_history_step(&s->history, i)); i++) {
        kube_time_print(step->wall_ms, at);
        json_add(list, json_build("{s:s,s:s,s:s}", "at", at, "from", states[step->from].name, "to",
                                  states[step->to].name));
    }
    return list;
}

static struct json_t *machines_json(const struct session *s)
{
    struct json_t *j = json_new_object();
    json_set_text(j, "session", fsm_state_name(&s->fsm));
    json_set_text(j, "tender", s->tender ? tender_state(s->tender) : NULL);
    json_set_text(j, "ending", s->ending ? ending_state(s->ending) : NULL);
    return j;
}

/* Whoever reads the admin listener sees all tenants. */
void debug_states_session(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_OPEN);
    struct err err;
    if (!r)
        return;
    if (session_id_check(m->params[0], r->id, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    struct session *s = session_table_get(g->sessions, r->id);
    if (!s) {
        request_problemf(r, ERR_SESSION_NOT_FOUND, "this gateway knows no living session '%s'",
                         r->id);
        return;
    }
    struct json_t *j = debug_api_session(g, s);
    json_set(j, "machines", machines_json(s));
    json_set(j, "changes", changes_json(s));
    request_reply_json(r, 200, j);
}
