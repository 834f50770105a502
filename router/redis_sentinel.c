#include "router/redis_sentinel.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "router/redis_client.h"
#include "router/redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_UP_MS   1000
#define ASK_DOWN_MS 100

struct redis_sentinel {
    struct loop *loop;
    struct redis_client *client;
    struct redis_client *sentinels[REDIS_SENTINELS_MAX];
    int count, asked; /* which one */
    struct timer *timer;
    bool said_unknown;
    bool freed; /* answers that still come find nobody */
    char master[sizeof(((struct redis_url *)0)->master)];
};

static bool read_place(const struct redis_value *v, struct redis_place *out)
{
    char port[8];

    if (v->kind != REDIS_LIST || v->count != 2)
        return false;
    struct slice host = v->items[0].text, number = v->items[1].text;
    if (host.len == 0 || host.len >= sizeof(out->host) || number.len >= sizeof(port))
        return false;
    snprintf(out->host, sizeof(out->host), "%.*s", SLICE_ARG(host));
    snprintf(port, sizeof(port), "%.*s", SLICE_ARG(number));
    out->port = (int)strtol(port, NULL, 10);
    return out->port > 0;
}

static void on_answer(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_sentinel *s = user;
    struct redis_place place;

    if (s->freed || err) /* the Sentinel's own client has logged it; the next one is asked */
        return;
    if (read_place(value, &place)) {
        s->said_unknown = false;
        redis_client_move(s->client, &place);
    } else if (!s->said_unknown) {
        s->said_unknown = true;
        LOG(LOG_WARN, "redis_master_unknown", KV("master", s->master));
    }
}

static void ask(void *user)
{
    struct redis_sentinel *s = user;
    struct slice args[] = {slice_of("SENTINEL"), slice_of("get-master-addr-by-name"),
                           slice_of(s->master)};
    bool up = redis_client_up(s->client);

    timer_start(loop_world(s->loop), s->timer, up ? ASK_UP_MS : ASK_DOWN_MS, 0);
    if (!up || !redis_client_up(s->sentinels[s->asked]))
        s->asked = (s->asked + 1) % s->count;
    redis_command(s->sentinels[s->asked], args, ARRAY_LEN(args), on_answer, s);
}

static int open_sentinels(struct redis_sentinel *s, const struct redis_url *url,
                          const char *password, int64_t timeout_ms, struct err *err)
{
    char text[REDIS_PLACE_TEXT], plain[REDIS_PLACE_TEXT + 16];

    for (; s->count < url->sentinel_count; s->count++) {
        snprintf(plain, sizeof(plain), "redis://%s",
                 redis_place_text(&url->sentinels[s->count], text));
        s->sentinels[s->count] = redis_client_new(s->loop, plain, password, timeout_ms, err);
        if (!s->sentinels[s->count])
            return -ERR_CONFIG;
    }
    return 0;
}

int redis_sentinel_new(struct loop *l, struct redis_client *client, const char *url,
                       const char *password, int64_t timeout_ms, struct redis_sentinel **out,
                       struct err *err)
{
    struct redis_url where;

    *out = NULL;
    if (redis_url_parse(url, &where, err) < 0)
        return -ERR_CONFIG;
    if (where.sentinel_count == 0)
        return 0;
    struct redis_sentinel *s = mem_alloc(sizeof(*s));
    s->loop = l;
    s->client = client;
    snprintf(s->master, sizeof(s->master), "%s", where.master);
    s->timer = timer_new(loop_world(l), ask, s);
    if (open_sentinels(s, &where, password, timeout_ms, err) < 0) {
        redis_sentinel_free(&s);
        return -ERR_CONFIG;
    }
    timer_start(loop_world(l), s->timer, 0, 0);
    *out = s;
    return 0;
}

void redis_sentinel_free(struct redis_sentinel **at)
{
    struct redis_sentinel *s = *at;

    *at = NULL;
    if (!s)
        return;
    s->freed = true;
    timer_free(loop_world(s->loop), &s->timer);
    for (int i = 0; i < s->count; i++)
        redis_client_free(&s->sentinels[i]);
    loop_defer(s->loop, free, s); /* an answer of a Sentinel may be what called us */
}
