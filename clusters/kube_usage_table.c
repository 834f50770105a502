#include "clusters/kube_usage_table.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "clusters/quantity.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define FRESH_LEAST_MS 90000
#define WINDOWS        3
#define FORGET_MS      (60 * 60 * 1000) /* a node that is gone */
#define AHEAD_MAX_MS   (5 * 60 * 1000)  /* a timestamp from the future is no measurement */
#define WINDOW_MAX_MS  (24.0 * 60 * 60 * 1000)
#define MILLICPU_MAX   1000000000 /* a million CPUs */
#define MEMORY_MAX     ((int64_t)1 << 56)

struct entry {
    UT_hash_handle hh;
    struct kube_usage_sample sample;
    int64_t learned_ms;
    int64_t lag_ms; /* how old it was when it arrived */
    char node[];    /* the key */
};

struct kube_usage_table {
    struct entry *by_node;
};

struct kube_usage_table *kube_usage_table_new(void)
{
    return mem_alloc(sizeof(struct kube_usage_table));
}

static void drop(struct kube_usage_table *t, struct entry *e)
{
    HASH_DEL(t->by_node, e);
    free(e);
}

void kube_usage_table_free(struct kube_usage_table **at)
{
    struct kube_usage_table *t = *at;

    *at = NULL;
    if (!t)
        return;
    while (t->by_node)
        drop(t, t->by_node);
    free(t);
}

/* -- reading -- */

static double unit_ms(const char **p)
{
    static const struct {
        const char *text;
        double ms;
    } UNITS[] = {{"ms", 1},   {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ns", 1e-6},
                 {"h", 36e5}, {"m", 6e4},   {"s", 1e3}};

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        size_t len = strlen(UNITS[i].text);
        if (strncmp(*p, UNITS[i].text, len) == 0) {
            *p += len;
            return UNITS[i].ms;
        }
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static double read_number(const char **p)
{
    double value = 0, place = 1;

    if (!is_digit(**p))
        return -1;
    for (; is_digit(**p); (*p)++)
        value = value * 10 + (**p - '0');
    if (**p != '.')
        return value;
    for ((*p)++; is_digit(**p); (*p)++)
        value += (**p - '0') * (place /= 10);
    return value;
}

bool kube_usage_window_parse(const char *text, int64_t *out_ms)
{
    double sum = 0;

    if (!text || *text == '\0')
        return false;
    for (const char *p = text; *p != '\0';) {
        double number = read_number(&p);
        double unit = unit_ms(&p);
        if (number < 0 || unit <= 0)
            return false;
        sum += number * unit;
        if (sum > WINDOW_MAX_MS)
            return false;
    }
    *out_ms = (int64_t)sum;
    return true;
}

static bool read_item(const struct json_t *item, int64_t wall_ms, struct kube_usage_sample *out)
{
    struct json_t *usage = json_get(item, "usage");
    struct err err;

    return quantity_parse_milli(json_text(json_get(usage, "cpu")), &out->millicpu, &err) == 0 &&
           quantity_parse(json_text(json_get(usage, "memory")), &out->memory_bytes, &err) == 0 &&
           out->millicpu <= MILLICPU_MAX && out->memory_bytes <= MEMORY_MAX &&
           kube_time_parse(json_get_text(item, "timestamp", ""), &out->wall_ms) &&
           out->wall_ms <= wall_ms + AHEAD_MAX_MS &&
           kube_usage_window_parse(json_text(json_get(item, "window")), &out->window_ms);
}

/* -- keeping -- */

static int64_t age_of(const struct entry *e, int64_t now_ms)
{
    return e->lag_ms + (now_ms - e->learned_ms);
}

bool kube_usage_fresh(const struct kube_usage_sample *s, int64_t age_ms)
{
    int64_t limit_ms = WINDOWS * s->window_ms;

    return age_ms <= (limit_ms > FRESH_LEAST_MS ? limit_ms : FRESH_LEAST_MS);
}

static bool is_newer(const struct entry *e, const struct kube_usage_sample *s, int64_t now_ms)
{
    if (s->wall_ms == e->sample.wall_ms)
        return false;
    return s->wall_ms > e->sample.wall_ms || !kube_usage_fresh(&e->sample, age_of(e, now_ms));
}

static struct entry *find(const struct kube_usage_table *t, const char *node)
{
    struct entry *e;

    HASH_FIND_STR(t->by_node, node, e);
    return e;
}

static struct entry *add(struct kube_usage_table *t, const char *node)
{
    size_t len = strlen(node);
    struct entry *e = mem_alloc(sizeof(*e) + len + 1);

    memcpy(e->node, node, len + 1);
    HASH_ADD_STR(t->by_node, node, e);
    return e;
}

static void take_item(struct kube_usage_table *t, const struct json_t *item, int64_t now_ms,
                      int64_t wall_ms, struct kube_usage_tally *out)
{
    const char *node = json_get_text(json_get(item, "metadata"), "name", "");
    struct entry *e = find(t, node);
    struct kube_usage_sample s;

    if (*node == '\0' || !read_item(item, wall_ms, &s) ||
        (!e && HASH_COUNT(t->by_node) >= KUBE_USAGE_NODES_MAX)) {
        out->refused++;
        return;
    }
    if (e && !is_newer(e, &s, now_ms)) {
        out->same_or_older++;
        return;
    }
    if (!e)
        e = add(t, node);
    e->sample = s;
    e->learned_ms = now_ms;
    e->lag_ms = wall_ms > s.wall_ms ? wall_ms - s.wall_ms : 0;
    out->newer++;
}

static void forget_old(struct kube_usage_table *t, int64_t now_ms)
{
    struct entry *e, *next;

    HASH_ITER (hh, t->by_node, e, next)
        if (now_ms - e->learned_ms > FORGET_MS)
            drop(t, e);
}

int kube_usage_table_take(struct kube_usage_table *t, const struct json_t *list, int64_t now_ms,
                          int64_t wall_ms, struct kube_usage_tally *out, struct err *err)
{
    struct json_t *items = json_get(list, "items");

    *out = (struct kube_usage_tally){0};
    if (!json_is_array(items))
        return err_set(err, ERR_KUBERNETES, "the metrics API's answer is no list");
    forget_old(t, now_ms);
    for (size_t i = 0; i < json_count(items); i++)
        take_item(t, json_item(items, i), now_ms, wall_ms, out);
    return 0;
}

const struct kube_usage_sample *kube_usage_table_get(const struct kube_usage_table *t,
                                                     const char *node, int64_t now_ms,
                                                     int64_t *age_ms)
{
    const struct entry *e = find(t, node);

    if (!e)
        return NULL;
    *age_ms = age_of(e, now_ms);
    return &e->sample;
}

size_t kube_usage_table_count(const struct kube_usage_table *t)
{
    return HASH_COUNT(t->by_node);
}
