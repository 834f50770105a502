#include "sandbox/event_journal.h"
#include "base/cc.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/utf8.h"
#include <stdlib.h>

#define CHARACTER_MAX 4

void event_journal_init(struct event_journal *j, int64_t now_ms)
{
    *j = (struct event_journal){.last_ms = now_ms};
}

void event_journal_fini(struct event_journal *j)
{
    free(j->entries);
    *j = (struct event_journal){0};
}

/* How long entries are apart at least: a day of them fits. */
static int64_t interval_ms(size_t count)
{
    static const struct {
        size_t below;
        int64_t ms;
    } steps[] = {{1024, 0}, {2048, 50}, {4096, 1000}, {EVENT_JOURNAL_MAX, 20000}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (count < steps[i].below)
            return steps[i].ms;
    return INT64_MAX;
}

static void append(struct event_journal *j, int64_t entry)
{
    if (j->count == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 16;
        j->entries = mem_resize(j->entries, j->cap * sizeof(*j->entries));
    }
    j->entries[j->count++] = entry;
}

/* Where the last whole character ends. The last bytes are always there. */
static uint64_t whole_characters(const struct output_view *v, uint64_t from)
{
    char last[CHARACTER_MAX];
    uint64_t fresh = v->total - from;
    size_t have = fresh < CHARACTER_MAX - 1 ? (size_t)fresh : CHARACTER_MAX - 1;
    uint64_t tail = output_view_tail_start(v);
    if (tail > v->head.len && v->total - tail < have)
        have = (size_t)(v->total - tail);
    output_view_copy(v, v->total - have, have, last);
    for (size_t n = 1; n <= have; n++)
        if (utf8_length(last + have - n, n) == UTF8_INCOMPLETE)
            return v->total - n;
    return v->total;
}

int64_t event_journal_add(struct event_journal *j, enum event_output which,
                          const struct output_view *v, int64_t now_ms, bool final)
{
    if (v->total == j->covered[which])
        return 0;
    int64_t apart = interval_ms(j->count);
    if (!final && apart == INT64_MAX)
        return 0; /* the rest is one event, at the end */
    if (!final && now_ms - j->last_ms < apart)
        return apart - (now_ms - j->last_ms);
    uint64_t end = final ? v->total : whole_characters(v, j->covered[which]);
    int64_t bytes = (int64_t)(end - j->covered[which]);
    if (bytes == 0)
        return 0;
    append(j, which == EVENT_STDOUT ? bytes : -bytes);
    j->covered[which] = end;
    j->last_ms = now_ms;
    return 0;
}

size_t event_journal_memory(const struct event_journal *j)
{
    return j->cap * sizeof(*j->entries);
}

struct json_t *event_journal_print(const struct event_journal *j)
{
    struct json_t *array = json_new_array();
    for (size_t i = 0; i < j->count; i++)
        json_add(array, json_new_int(j->entries[i]));
    return array;
}

bool event_journal_parse(struct event_journal *j, const struct json_t *array, uint64_t out_total,
                         uint64_t err_total)
{
    const uint64_t totals[EVENT_OUTPUTS] = {out_total, err_total};
    event_journal_init(j, 0);
    if (!array)
        return true;
    if (!json_is_array(array) || json_count(array) > EVENT_JOURNAL_MAX + EVENT_OUTPUTS)
        return false;
    for (size_t i = 0; i < json_count(array); i++) {
        int64_t entry = json_int(json_item(array, i), 0);
        enum event_output which = entry < 0 ? EVENT_STDERR : EVENT_STDOUT;
        uint64_t bytes = entry < 0 ? 0 - (uint64_t)entry : (uint64_t)entry;
        if (bytes == 0 || bytes > totals[which] - j->covered[which])
            return false;
        append(j, entry);
        j->covered[which] += bytes;
    }
    return true;
}
