#include "base/fsm.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/world.h"

#include <stdio.h>
#include <stdlib.h>

#define DOT_MAX_BYTES (64 * 1024)
#define WALL_MASK     INT64_C(0x7fffffffffff) /* what a step has room for */

static bool is_state(const struct fsm_table *t, int state)
{
    return state >= 0 && state < t->count;
}

void fsm_init(struct fsm *m, const struct fsm_table *table, int first)
{
    INVARIANT(table->count > 0 && table->count <= 32); /* the mask's bits */
    INVARIANT(is_state(table, first));
    *m = (struct fsm){.table = table, .state = first};
}

bool fsm_may_move(const struct fsm *m, int to)
{
    return is_state(m->table, to) && (m->table->states[m->state].to & FSM_TO(to)) != 0;
}

static void refuse(const struct fsm *m, int to) NORETURN;
static void refuse(const struct fsm *m, int to)
{
    fprintf(stderr, "level=error event=fsm_refused machine=%s from=%s to=%s\n", m->table->machine,
            fsm_state_name(m), is_state(m->table, to) ? m->table->states[to].name : "?");
    abort();
}

static void remember(struct fsm_history *h, int from, int to)
{
    struct fsm_step *step = &h->steps[h->moves++ % FSM_HISTORY_MAX];
    step->wall_ms = world_wall_ms(h->world) & WALL_MASK;
    step->from = (uint8_t)from;
    step->to = (uint8_t)to;
}

const struct fsm_step *fsm_history_step(const struct fsm_history *h, unsigned i)
{
    uint32_t first = h->moves > FSM_HISTORY_MAX ? h->moves - FSM_HISTORY_MAX : 0;
    return first + i < h->moves ? &h->steps[(first + i) % FSM_HISTORY_MAX] : NULL;
}

void fsm_move(struct fsm *m, int to)
{
    if (to == m->state)
        return;
    if (!fsm_may_move(m, to))
        refuse(m, to);
    if (m->history)
        remember(m->history, m->state, to);
    m->state = to;
}

const char *fsm_state_name(const struct fsm *m)
{
    return m->table->states[m->state].name;
}

char *fsm_table_dot(const struct fsm_table *table)
{
    struct buf out;
    buf_init(&out, DOT_MAX_BYTES);
    buf_addf(&out, "digraph %s {\n", table->machine);
    for (int from = 0; from < table->count; from++) {
        const struct fsm_state *s = &table->states[from];
        buf_addf(&out, "    %s%s;\n", s->name, s->to ? "" : " [peripheries=2]");
        for (int to = 0; to < table->count; to++) {
            if (s->to & FSM_TO(to))
                buf_addf(&out, "    %s -> %s;\n", s->name, table->states[to].name);
        }
    }
    buf_add_text(&out, "}\n");
    INVARIANT(!out.overflowed);
    return buf_text(&out); /* malloc'ed; handed over instead of buf_fini() */
}
