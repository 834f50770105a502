#include "sandbox/past_executions.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

static const char *const STATUSES[] = {"completed", "failed", "timeout", "killed", "oom"};

void past_executions_fini(struct past_executions *p)
{
    free(p->items);
    *p = (struct past_executions){0};
}

static void shorten(const char *text, uint8_t *out, size_t len)
{
    uint8_t sum[DIGEST_BYTES];
    digest_sha256((struct slice){text, strlen(text)}, sum);
    memcpy(out, sum, len);
}

static uint8_t status_index(const char *status)
{
    size_t i = 0;
    while (strcmp(STATUSES[i], status) != 0) {
        i++;
        INVARIANT(i < ARRAY_LEN(STATUSES));
    }
    return (uint8_t)i;
}

void past_executions_add(struct past_executions *p, const char *id, const char *fingerprint,
                         const char *status)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->items = mem_resize(p->items, p->cap * sizeof(*p->items));
    }
    struct past_execution *e = &p->items[p->count++];
    shorten(id, e->id, sizeof(e->id));
    shorten(fingerprint, e->body, sizeof(e->body));
    e->status = status_index(status);
}

const struct past_execution *past_executions_find(const struct past_executions *p, const char *id)
{
    uint8_t sum[PAST_EXECUTION_ID_BYTES];
    if (p->count == 0)
        return NULL;
    shorten(id, sum, sizeof(sum));
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(p->items[i].id, sum, sizeof(sum)) == 0)
            return &p->items[i];
    return NULL;
}

bool past_execution_is(const struct past_execution *e, const char *fingerprint)
{
    uint8_t sum[PAST_EXECUTION_BODY_BYTES];
    shorten(fingerprint, sum, sizeof(sum));
    return memcmp(e->body, sum, sizeof(sum)) == 0;
}

const char *past_execution_status(const struct past_execution *e)
{
    return STATUSES[e->status];
}

void past_executions_print(const struct past_executions *p, struct buf *out)
{
    char hex[PAST_EXECUTION_ID_HEX + 1];
    for (size_t i = 0; i < p->count; i++) {
        digest_hex(p->items[i].id, sizeof(p->items[i].id), hex);
        buf_add(out, hex, PAST_EXECUTION_ID_HEX);
    }
}
