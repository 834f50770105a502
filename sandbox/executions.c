#include "sandbox/executions.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void executions_init(struct executions *l)
{
    *l = (struct executions){0};
}

void executions_fini(struct executions *l)
{
    for (size_t i = 0; i < l->count; i++)
        execution_free(&l->items[i]);
    free(l->items);
    past_executions_fini(&l->past);
    executions_init(l);
}

struct execution *executions_find(const struct executions *l, const char *id)
{
    for (size_t i = l->count; i > 0; i--)
        if (strcmp(execution_id(l->items[i - 1]), id) == 0)
            return l->items[i - 1];
    return NULL;
}

struct execution *executions_find_leader(const struct executions *l, pid_t leader)
{
    for (size_t i = 0; i < l->count; i++)
        if (execution_leader(l->items[i]) == leader)
            return l->items[i];
    return NULL;
}

struct execution *executions_newest(const struct executions *l)
{
    return l->count > 0 ? l->items[l->count - 1] : NULL;
}

size_t executions_running(const struct executions *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        n += !execution_is_ended(l->items[i]);
    return n;
}

static void let_go(struct executions *l, size_t i)
{
    const struct execution *e = l->items[i];
    past_executions_add(&l->past, execution_id(e), execution_fingerprint(e), execution_status(e));
    execution_free(&l->items[i]);
    l->count--;
    memmove(l->items + i, l->items + i + 1, (l->count - i) * sizeof(*l->items));
}

/* The newest stays: a result call that names no execution means it. */
static bool let_oldest_go(struct executions *l)
{
    for (size_t i = 0; i + 1 < l->count; i++)
        if (execution_is_stored(l->items[i]) && execution_may_free(l->items[i])) {
            let_go(l, i);
            return true;
        }
    return false;
}

static bool over_budget(const struct executions *l)
{
    size_t ended = 0, bytes = 0;
    for (size_t i = 0; i < l->count; i++)
        if (execution_is_ended(l->items[i])) {
            ended++;
            bytes += execution_memory(l->items[i]);
        }
    return ended >= EXECUTIONS_KEPT_MAX || bytes > EXECUTIONS_KEPT_BYTES;
}

int executions_make_room(struct executions *l, int64_t running_max, struct err *err)
{
    if (executions_running(l) >= (size_t)running_max)
        return err_set(err, ERR_TOO_MANY_EXECUTIONS,
                       "%" PRId64 " executions run, which is the session's limit", running_max);
    if (l->count + l->past.count >= EXECUTIONS_EVER_MAX)
        return err_set(err, ERR_QUOTA_EXCEEDED, "the session had its %d executions",
                       EXECUTIONS_EVER_MAX);
    while (over_budget(l))
        if (!let_oldest_go(l))
            return err_set(err, ERR_TOO_MANY_EXECUTIONS,
                           "%zu results wait to be stored, which is the session's limit", l->count);
    return 0;
}

void executions_add(struct executions *l, struct execution *e)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->items = mem_resize(l->items, l->cap * sizeof(struct execution *));
    }
    l->items[l->count++] = e;
}
