#include "gateway/lost_records.h"

#include "base/json.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "gateway/tombstone.h"
#include "router/result_store.h"
#include "sandbox/result_pending.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_MAX ((size_t)64 * 1024)

struct lost_record {
    struct gateway *g;
    char session_id[SESSION_ID_SIZE];
    char execution_id[EXECUTION_ID_SIZE];
};

static void on_put(const struct slice *value, const struct err *err, void *user)
{
    (void)value;
    (void)err;
    free(user);
}

static void put(struct lost_record *l)
{
    struct json_t *meta = result_pending_meta(l->session_id);
    struct result_source source = {.meta = meta, .ended = true};
    struct buf text;
    json_set_text(meta, "execution_id", l->execution_id);
    json_set_text(meta, "status", "lost");
    buf_init(&text, RECORD_MAX);
    result_record_print(&source, &text);
    result_store_put_record(l->g->results, l->session_id, l->execution_id, buf_slice(&text), on_put,
                            l);
    buf_fini(&text);
    json_free(meta);
}

/* Another gateway may have stored its end without our knowing. */
static void on_looked(const struct slice *value, const struct err *err, void *user)
{
    if (value || err)
        free(user);
    else
        put(user);
}

static void store(struct gateway *g, const char *session_id, const char *execution_id)
{
    struct lost_record *l = mem_alloc(sizeof(*l));
    l->g = g;
    snprintf(l->session_id, sizeof(l->session_id), "%s", session_id);
    snprintf(l->execution_id, sizeof(l->execution_id), "%s", execution_id);
    result_store_get_record(g->results, l->session_id, l->execution_id, on_looked, l);
}

void lost_records_store(struct gateway *g, const struct tombstone *t)
{
    for (size_t i = 0; i < json_count(t->executions); i++) {
        const struct json_t *item = json_item(t->executions, i);
        const char *eid = json_get_text(item, "execution_id", "");
        const char *status = json_get_text(item, "status", "");
        if (strcmp(status, "lost") == 0 && session_id_is_name(slice_of(eid)))
            store(g, t->id, eid);
    }
}

void lost_records_of_session(struct gateway *g, const struct session *s)
{
    const char *eid;
    struct json_t *state;
    void *it = NULL;
    while ((it = json_next(s->executions, it, &eid, &state))) {
        if (!slice_eq(slice_of(json_text(state)), "stored"))
            store(g, s->id, eid);
    }
}
