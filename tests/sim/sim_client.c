#include "sim_client.h"

#include "base/json.h"
#include "base/mem.h"
#include "sim_network.h"
#include "sim_property.h"
#include "sim_site.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX    8
#define PATIENCE_MS  60000 /* for one step, with its repetitions */
#define CALL_MS      70000 /* longer than any gateway waits */
#define ANSWER_BYTES ((size_t)1024 * 1024)

enum step_kind { CREATE, CREATE_SHORT, STATUS, EXEC, RESULT, DELETE };

struct step {
    enum step_kind kind;
    int run; /* of EXEC and RESULT: which execution */
    int64_t pause_ms;
};

struct sim_client {
    struct sim_process process;
    struct sim_site *site;
    char session[40], create_body[300];
    struct step steps[STEPS_MAX];
    int count, at;
    int64_t step_began_ms;
    struct sim_call *call;
    struct sim_event *next;
    int status;
    struct buf answer;
    bool accepted[STEPS_MAX];
    int64_t takes_ms[STEPS_MAX];
    int64_t wait_s;
};

const char *sim_client_session(const struct sim_client *c)
{
    return c->session;
}

bool sim_client_is_done(const struct sim_client *c)
{
    return c->at >= c->count;
}

static void execution_of(const struct sim_client *c, int run, char out[64])
{
    snprintf(out, 64, "%s-e%d", c->session, run);
}

/* -- from step to step -- */

static void begin(void *user);

static void again_in(struct sim_client *c, int64_t ms)
{
    c->next = sim_world_at(&c->process, sim_now() + ms, begin, NULL, c);
}

static void go_on(struct sim_client *c)
{
    c->at++;
    c->step_began_ms = 0;
    if (c->at < c->count)
        again_in(c, c->steps[c->at].pause_ms);
    else
        sim_trace("%s: its client is done", c->session);
}

static void try_again(struct sim_client *c)
{
    if (sim_now() - c->step_began_ms > PATIENCE_MS)
        go_on(c);
    else
        again_in(c, sim_between(100, 2000));
}

/* -- answers -- */

static void take_result(struct sim_client *c, int run)
{
    char eid[64], expected[80];
    struct err err;
    struct json_t *j = json_parse_object(buf_slice(&c->answer), &err);
    const char *status = json_get_text(j, "status", "");
    execution_of(c, run, eid);
    snprintf(expected, sizeof(expected), "ran %s", eid);
    if (strcmp(status, "completed") == 0) {
        sim_property_result(c->session, eid, strcmp(json_get_text(j, "stdout", ""), expected) == 0);
        go_on(c);
    } else if (strcmp(status, "running") == 0 || strcmp(status, "pending") == 0) {
        try_again(c);
    } else { /* killed, lost */
        if (c->accepted[run])
            sim_property_no_result(c->session, eid, status);
        go_on(c);
    }
    json_free(j);
}

static void take_session(const struct sim_client *c, enum step_kind kind)
{
    if (c->status / 100 != 2)
        return;
    struct err err;
    struct json_t *j = json_parse_object(buf_slice(&c->answer), &err);
    const char *status = json_get_text(j, "status", "");
    bool over = strcmp(status, "stopped") == 0 || strcmp(status, "error") == 0;
    if (kind == STATUS && over)
        sim_property_told_over(c->session);
    if (kind != STATUS && !over && strcmp(status, "stopping") != 0)
        sim_property_promised(c->session, json_get_text(j, "site", ""));
    json_free(j);
}

static void take_answer(struct sim_client *c)
{
    const struct step *s = &c->steps[c->at];
    char eid[64];
    sim_trace("%s: step %d answered %d %.*s", c->session, c->at, c->status,
              (int)(c->answer.len < 160 ? c->answer.len : 160), c->answer.data);
    if (s->kind == CREATE || s->kind == CREATE_SHORT || s->kind == STATUS)
        take_session(c, s->kind);
    if (s->kind == EXEC && c->status / 100 == 2) {
        execution_of(c, s->run, eid);
        c->accepted[s->run] = true;
        sim_property_accepted(c->session, eid);
        go_on(c);
    } else if (s->kind == RESULT && c->status == 200) {
        take_result(c, s->run);
    } else if (s->kind == RESULT && c->status / 100 == 4 && c->accepted[s->run]) {
        execution_of(c, s->run, eid);
        sim_property_no_result(c->session, eid, "no such result");
        go_on(c);
    } else if (c->status >= 500 || c->status == 429) {
        try_again(c);
    } else {
        go_on(c);
    }
}

static void on_head(struct sim_call *call, const char *head, void *user)
{
    struct sim_client *c = user;
    (void)call;
    c->status = atoi(head + strlen("HTTP/1.1 "));
}

static void on_data(struct sim_call *call, struct slice piece, void *user)
{
    struct sim_client *c = user;
    (void)call;
    buf_add(&c->answer, piece.at, piece.len);
}

static void on_end(struct sim_call *call, void *user)
{
    struct sim_client *c = user;
    (void)call;
    c->call = NULL;
    take_answer(c);
}

static void on_fail(struct sim_call *call, enum sim_failure why, void *user)
{
    struct sim_client *c = user;
    (void)call;
    c->call = NULL;
    sim_trace("%s: step %d failed (%d)", c->session, c->at, (int)why);
    if (why == SIM_TIMEOUT)
        sim_property_unanswered(c->session);
    try_again(c);
}

static const struct sim_call_events EVENTS = {on_head, on_data, on_end, on_fail};

/* -- requests -- */

static void describe(const struct sim_client *c, struct sim_call_request *r, char *target,
                     size_t size, char *body, size_t body_size)
{
    const struct step *s = &c->steps[c->at];
    char eid[64];
    execution_of(c, s->run, eid);
    r->method = "POST";
    body[0] = '\0';
    switch (s->kind) {
    case CREATE:
        snprintf(target, size, "/api/v1/sessions");
        snprintf(body, body_size, "%s", c->create_body);
        break;
    case CREATE_SHORT:
        snprintf(target, size, "/%s", c->session);
        break;
    case STATUS:
        r->method = "GET";
        snprintf(target, size, "/api/v1/sessions/%s?wait=10&until=ready", c->session);
        break;
    case EXEC:
        snprintf(target, size, "/%s/exec/python?wait=%lld", c->session, (long long)c->wait_s);
        snprintf(body, body_size, "{\"code\":\"%lld\",\"execution_id\":\"%s\"}",
                 (long long)c->takes_ms[s->run], eid);
        break;
    case RESULT:
        r->method = "GET";
        snprintf(target, size, "/%s/result?execution_id=%s&wait=5", c->session, eid);
        break;
    case DELETE:
        sim_property_delete_asked(c->session);
        r->method = "DELETE";
        snprintf(target, size, "/api/v1/sessions/%s", c->session);
        break;
    }
}

static void begin(void *user)
{
    struct sim_client *c = user;
    char target[200], body[400];
    struct sim_call_request r = {.connect_ms = 2000, .total_ms = CALL_MS};
    struct sim_gateway *n = sim_site_gateway_for(c->site, c->session);
    c->next = NULL;
    if (c->step_began_ms == 0)
        c->step_began_ms = sim_now();
    /* A ring that has just changed, or another front door. */
    if (sim_chance(60))
        n = &c->site->gateways[sim_between(0, c->site->gateway_count - 1)];
    if (!n || !sim_gateway_lives(n)) {
        try_again(c);
        return;
    }
    describe(c, &r, target, sizeof(target), body, sizeof(body));
    r.target = target;
    r.body = slice_of(body);
    r.fields = *body ? "Content-Type: application/json\r\n" : "";
    buf_clear(&c->answer);
    sim_trace("%s: step %d to %s: %s %s", c->session, c->at, n->name, r.method, target);
    c->call = sim_call_start(&c->process, &n->host, &r, &EVENTS, c);
}

/* -- what it does -- */

static void add_step(struct sim_client *c, enum step_kind kind, int run, int64_t pause_ms)
{
    if (c->count < STEPS_MAX)
        c->steps[c->count++] = (struct step){kind, run, pause_ms};
}

static void plan(struct sim_client *c)
{
    int how = (int)sim_between(0, 9);
    int runs = (int)sim_between(0, 2);
    if (how < 5)
        add_step(c, CREATE, 0, 0);
    else if (how < 8 || runs == 0)
        add_step(c, CREATE_SHORT, 0, 0);
    if (sim_chance(600))
        add_step(c, STATUS, 0, sim_between(0, 200));
    for (int i = 0; i < runs; i++) {
        c->takes_ms[i] = sim_chance(200) ? sim_between(1000, 15000) : sim_between(1, 600);
        add_step(c, EXEC, i, sim_between(0, sim_chance(200) ? 15000 : 800));
        add_step(c, RESULT, i, sim_between(0, sim_chance(200) ? 12000 : 500));
    }
    if (runs > 0 && sim_chance(300)) /* the same again, perhaps in a later life of the session */
        add_step(c, EXEC, 0, sim_between(0, 20000));
    if (sim_chance(300))
        add_step(c, STATUS, 0, sim_between(0, 20000));
    if (sim_chance(400))
        add_step(c, DELETE, 0, sim_between(0, 3000));
}

struct sim_client *sim_client_new(struct sim_site *site, int number)
{
    struct sim_client *c = mem_alloc(sizeof(*c));
    c->site = site;
    snprintf(c->session, sizeof(c->session), "s%d", number);
    snprintf(c->process.name, sizeof(c->process.name), "client-%d", number);
    c->process.alive = true;
    sim_network_put(&c->process, site->place + 8);
    snprintf(c->create_body, sizeof(c->create_body),
             "{\"session_id\":\"%s\",\"timeout_seconds\":%lld,\"idle_timeout_seconds\":%lld,"
             "\"cleanup\":\"%s\"}",
             c->session, (long long)sim_between(20, 90), (long long)sim_between(3, 20),
             sim_chance(500) ? "idle" : "completion");
    c->wait_s = sim_chance(300) ? sim_between(1, 20) : 0;
    buf_init(&c->answer, ANSWER_BYTES);
    plan(c);
    again_in(c, 0);
    return c;
}

void sim_client_free(struct sim_client **at)
{
    struct sim_client *c = *at;
    *at = NULL;
    if (!c)
        return;
    sim_call_cancel(&c->call);
    sim_world_cancel(&c->next);
    buf_fini(&c->answer);
    free(c);
}
