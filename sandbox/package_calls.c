#include "sandbox/package_calls.h"

#include "base/json.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/result_query.h"
#include <stdlib.h>

#define REFUSAL_MAX ((size_t)4096)

/* -- what is wanted -- */

static bool answer_wanted(struct http_exchange *x, void *item, bool time_up)
{
    const struct package_door *d = item;
    if (!package_door_is_open(d)) {
        problem_replyf(x, ERR_GONE, "nothing is being installed");
        return true;
    }
    struct json_t *wanted = package_door_wanted(d);
    if (wanted)
        http_reply_json(x, 200, wanted);
    else if (time_up)
        http_reply(x, 204, NULL, (struct slice){0});
    return wanted || time_up;
}

void package_calls_wanted(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct err err = {0};
    int64_t wait_s = 0;
    if (http_query_int(http_exchange_head(x)->query, "wait", 0, RESULT_WAIT_MAX_S, &wait_s, &err) <
        0)
        problem_reply(x, &err);
    else
        long_polls_add(a->polls, x, wait_s * 1000, answer_wanted, NULL, &a->setup.door);
}

/* -- the answers -- */

/* 0: no number. */
static int64_t read_id(struct slice text)
{
    int64_t id = 0;
    for (size_t i = 0; i < text.len && i < 12; i++)
        id = text.at[i] >= '0' && text.at[i] <= '9' ? id * 10 + (text.at[i] - '0') : 0;
    return id;
}

static bool is_status(int64_t status)
{
    return status >= 200 && status < 600;
}

void package_calls_give(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    struct err err = {0};
    int64_t status = 0;
    int rc = http_query_int(http_exchange_head(x)->query, "status", 200, 599, &status, &err);
    if (rc == 0 && !is_status(status))
        rc = err_set(&err, ERR_INVALID_ARGUMENT, "status is needed");
    if (rc < 0)
        problem_reply(x, &err);
    else
        package_door_give(&a->setup.door, read_id(m->params[0]), (int)status, x);
}

struct refusal {
    struct package_door *door;
    int64_t id;
};

static int refuse(const struct refusal *r, struct slice body, struct err *err)
{
    struct json_t *j = json_parse_object(body, err);
    int64_t status = json_int(json_get(j, "status"), 0);
    const char *why = json_get_text(j, "why", "");
    int rc = j ? 0 : -ERR_BAD_JSON;
    if (rc == 0 && (!is_status(status) || !*why))
        rc = err_set(err, ERR_INVALID_ARGUMENT, "the body is {\"status\": n, \"why\": text}");
    if (rc == 0)
        rc = package_door_refuse(r->door, r->id, (int)status, why, err);
    json_free(j);
    return rc;
}

static void on_refusal(struct http_exchange *x, struct slice body, const struct err *err,
                       void *user)
{
    struct refusal *r = user;
    struct err bad = {0};
    if (err)
        problem_reply(x, err);
    else if (refuse(r, body, &bad) < 0)
        problem_reply(x, &bad);
    else
        http_reply(x, 204, NULL, (struct slice){0});
    free(r);
}

void package_calls_refuse(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    struct refusal *r = mem_alloc(sizeof(*r));
    *r = (struct refusal){.door = &a->setup.door, .id = read_id(m->params[0])};
    http_exchange_collect(x, REFUSAL_MAX, on_refusal, r);
}
