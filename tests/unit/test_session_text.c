#include "gateway/session_text.h"

#include "base/buf.h"
#include "base/json.h"
#include "gateway/session.h"
#include "gateway/session_view.h"
#include "tests/unit/unit.h"

#include <stdio.h>

/* The kept text is what would be printed now. */
static void is_current(struct session *s, const char *after)
{
    struct json_t *view = session_view(s, "here");
    struct buf fresh;
    buf_init(&fresh, 65536);
    json_print(view, &fresh);
    struct slice kept = session_text(s, "here");
    if (kept.len != fresh.len || memcmp(kept.at, fresh.data, kept.len) != 0)
        fail_msg("after a new %s: %.*s", after, SLICE_ARG(kept));
    buf_fini(&fresh);
    json_free(view);
}

static struct session *shown_session(void)
{
    struct session *s = session_new("one", "t", 8700, 1000);
    snprintf(s->spec.environment, sizeof(s->spec.environment), "python");
    is_current(s, "session");
    return s;
}

/* Each member that the view shows, written as its writers do: with nothing said to anybody. */
static void every_change_is_shown(void **state)
{
    (void)state;
    struct session *s = shown_session();
    const struct {
        const char *name;
        char *at;
    } texts[] = {
        {"placement_reason", s->spec.placement_reason},
        {"pod_name", s->pod_name},
        {"namespace_name", s->namespace_name},
        {"runtime_class", s->spec.runtime_class},
        {"origin", s->spec.origin},
        {"pod_trouble", s->pod_trouble},
        {"last_execution", s->last_execution},
        {"reason", s->reason},
    };
    const struct {
        const char *name;
        int64_t *at;
    } numbers[] = {
        {"created", &s->created_wall_ms}, {"deadline", &s->deadline_wall_ms},
        {"ended", &s->ended_wall_ms},     {"activity", &s->activity_wall_ms},
        {"ready", &s->ready_wall_ms},     {"seen", &s->activity_seen_ms},
        {"cpu", &s->spec.millicpu},       {"memory", &s->spec.memory_bytes},
        {"disk", &s->spec.disk_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        texts[i].at[0] = 'x';
        is_current(s, texts[i].name);
    }
    const struct {
        const char *name;
        char **at;
    } owned[] = {
        {"node_name", &s->node_name}, {"pod_message", &s->pod_message}, {"message", &s->message}};
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        assert_true(session_set_text(owned[i].at, "x"));
        assert_false(session_set_text(owned[i].at, "x"));
        is_current(s, owned[i].name);
        assert_true(session_set_text(owned[i].at, "y"));
        is_current(s, owned[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i].at += INT64_C(1700000000000);
        is_current(s, numbers[i].name);
    }
    s->activity.started = true;
    is_current(s, "start");
    fsm_move(&s->fsm, SESSION_STOPPING);
    is_current(s, "state");
    snprintf(s->site, sizeof(s->site), "cloud");
    is_current(s, "site");
    session_unref(s);
}

/* What a freed view leaves behind may be where the next one is made. */
static void a_new_view_is_never_taken_for_an_old_one(void **state)
{
    (void)state;
    struct session *s = shown_session();
    snprintf(s->site, sizeof(s->site), "cloud");
    for (int i = 0; i < 100; i++) {
        json_free(s->view);
        s->view = json_build("{s:i}", "number", i);
        is_current(s, "view");
    }
    session_unref(s);
}

static void it_is_kept(void **state)
{
    (void)state;
    struct session *s = shown_session();
    const char *first = session_text(s, "here").at;
    s->probed_ms = 77; /* nobody's business */
    assert_ptr_equal(session_text(s, "here").at, first);
    session_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_shown),
        cmocka_unit_test(a_new_view_is_never_taken_for_an_old_one),
        cmocka_unit_test(it_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
