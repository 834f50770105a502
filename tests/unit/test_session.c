#include "base/json.h"
#include "clusters/kube_object.h"
#include "gateway/session.h"
#include "gateway/session_view.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define WALL 1700000000000

static struct session *ready_session(enum session_cleanup cleanup)
{
    struct session *s = session_new("one", "t", 8700, 1000);
    s->spec.cleanup = cleanup;
    s->spec.idle_ms = 300000;
    s->spec.linger_ms = 10000;
    s->created_wall_ms = WALL;
    s->deadline_wall_ms = WALL + 3600000;
    fsm_move(&s->fsm, SESSION_CREATING);
    return s;
}

static bool see(struct session *s, const char *text, int64_t now_ms)
{
    struct session_activity a;
    struct err err;
    assert_int_equal(session_activity_parse(&a, slice_of(text), &err), 0);
    return session_see_activity(s, &a, now_ms, WALL + now_ms);
}

/* Of one number in an activity that is good but for it. */
static bool takes(const char *name, const char *number)
{
    struct session_activity a = {0};
    struct err err;
    char text[128];
    snprintf(text, sizeof(text), "{\"started\":true,\"%s\":%s}", name, number);
    bool good = session_activity_parse(&a, slice_of(text), &err) == 0;
    if (good)
        session_activity_fini(&a);
    return good;
}

static void numbers_that_no_agent_says_are_refused(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"seq",       "idle_ms",     "running",    "executions",
                                        "tended_ms", "last_end_ms", "deadline_ms"};
    static const char *const BAD[] = {
        "1e308", "1.5", "\"7\"", "9223372036854775807", "[]", "true", "-9223372036854775808"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        assert_true(takes(NAMES[i], "0"));
        for (size_t k = 0; k < ARRAY_LEN(BAD); k++)
            assert_false(takes(NAMES[i], BAD[k]));
    }
    assert_false(takes("idle_ms", "-1"));
    assert_true(takes("last_end_ms", "-1"));
    assert_true(takes("deadline_ms", "-60000")); /* it is past */
    assert_true(takes("unstored", "[\"e1\"]"));
    assert_false(takes("unstored", "[\"../e1\"]"));
    assert_false(takes("unstored", "[1]"));
    assert_false(takes("unstored", "{}"));
}

static void the_agents_word_moves_the_state(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    assert_true(see(s, "{\"seq\":1,\"started\":false}", 2000));
    assert_int_equal(session_state(s), SESSION_CREATING);
    assert_true(see(s, "{\"seq\":2,\"started\":true,\"running\":0}", 2001));
    assert_int_equal(session_state(s), SESSION_READY);
    assert_true(session_is_usable(s));
    assert_true(
        see(s, "{\"seq\":3,\"started\":true,\"running\":1,\"last_execution\":\"e1\"}", 2002));
    assert_int_equal(session_state(s), SESSION_EXECUTING);
    assert_string_equal(s->last_execution, "e1");
    assert_false(
        see(s, "{\"seq\":3,\"started\":true,\"running\":1,\"last_execution\":\"e1\"}", 2003));
    see(s, "{\"seq\":4,\"started\":true,\"running\":0,\"last_execution\":\"e1\"}", 2004);
    assert_int_equal(session_state(s), SESSION_READY);
    fsm_move(&s->fsm, SESSION_STOPPING);
    see(s, "{\"seq\":5,\"started\":true,\"running\":1}", 2005);
    assert_int_equal(session_state(s), SESSION_STOPPING); /* no way back */
    session_unref(s);
}

static void what_is_installed_first_is_told(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    see(s,
        "{\"seq\":1,\"started\":false,\"setup\":{\"state\":\"running\",\"line\":\"Collecting x\"}}",
        2000);
    assert_true(s->activity.setting_up && !s->activity.setup_failed);
    struct json_t *view = session_view(s, "here");
    assert_string_equal(json_get_text(view, "message", ""), "installing packages: Collecting x");
    assert_string_equal(json_get_text(view, "status", ""), "creating");
    json_free(view);
    see(s, "{\"seq\":2,\"setup\":{\"state\":\"failed\",\"status\":\"timeout\",\"line\":\"hm\"}}",
        2001);
    assert_true(s->activity.setup_failed && !s->activity.setting_up);
    assert_string_equal(s->activity.setup, "that took too long; its last words were: hm");
    session_unref(s);
}

/* A line is cut to what there is room for, and a cut character is no text any more. */
static void hostile_words_of_an_agent_become_plain(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    char line[600], text[800];
    for (size_t i = 0; i < 498; i += 2)
        memcpy(line + i, "\xc3\xbc", 3);
    snprintf(text, sizeof(text),
             "{\"seq\":1,\"setup\":{\"state\":\"running\",\"line\":\"a\\nb\\u0007%s\"}}", line);
    see(s, text, 2000);
    assert_memory_equal(s->activity.setup, "a?b???", 6);
    struct json_t *view = session_view(s, "here");
    assert_non_null(json_get(view, "message"));
    json_free(view);
    see(s, "{\"seq\":2,\"setup\":[1]}", 2001);
    see(s, "{\"seq\":3,\"setup\":{\"state\":7,\"line\":{}}}", 2002);
    assert_false(s->activity.setting_up || s->activity.setup_failed);
    session_unref(s);
}

static void idle_ends_by_the_agents_clock(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    int64_t in_ms;
    assert_null(session_due(s, 5000, WALL, &in_ms)); /* not started: nothing to be idle */
    see(s, "{\"seq\":1,\"started\":true,\"running\":0,\"idle_ms\":1000,\"executions\":3}", 5000);
    assert_null(session_due(s, 5000, WALL, &in_ms));
    assert_int_equal(in_ms, 299000);
    assert_string_equal(session_due(s, 5000 + 299000, WALL, &in_ms), "idle");
    see(s, "{\"seq\":2,\"started\":true,\"running\":1,\"idle_ms\":0}", 6000);
    assert_null(session_due(s, 6000 + 400000, WALL, &in_ms)); /* something runs */
    session_unref(s);
}

static void completion_lingers_behind_the_last_execution(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_COMPLETION);
    int64_t in_ms;
    see(s, "{\"seq\":1,\"started\":true,\"running\":0,\"idle_ms\":0,\"executions\":0}", 1000);
    assert_null(
        session_due(s, 1000 + 20000, WALL, &in_ms)); /* before the first it is idle's turn */
    assert_string_equal(session_due(s, 1000 + 300000, WALL, &in_ms), "idle");
    see(s, "{\"seq\":2,\"started\":true,\"running\":0,\"idle_ms\":0,\"executions\":1}", 2000);
    assert_null(session_due(s, 2000 + 9999, WALL, &in_ms));
    assert_int_equal(in_ms, 1);
    assert_string_equal(session_due(s, 2000 + 10000, WALL, &in_ms), "completion");
    session_unref(s);
}

static void the_deadline_is_hard(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    int64_t in_ms;
    see(s, "{\"seq\":1,\"started\":true,\"running\":1}", 1000);
    assert_null(session_due(s, 1000, WALL + 3599999, &in_ms));
    assert_int_equal(in_ms, 1);
    assert_string_equal(session_due(s, 1000, WALL + 3600000, &in_ms), "deadline");
    assert_int_equal(in_ms, 0);
    session_unref(s);
}

#define SPOKEN "{\"seq\":1,\"started\":true,\"running\":1,\"deadline_ms\":60000}"

/* By the agent's word, whatever the wall clock says meanwhile. */
static void the_deadline_is_counted_by_the_agent(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    int64_t in_ms;
    see(s, SPOKEN, 1000);
    assert_null(session_due(s, 1000 + 59999, WALL + 7200000, &in_ms));
    assert_int_equal(in_ms, 1);
    assert_string_equal(session_due(s, 1000 + 60000, WALL - 7200000, &in_ms), "deadline");
    see(s, "{\"seq\":2,\"started\":true,\"running\":1,\"deadline_ms\":-1}", 70000); /* not told */
    assert_null(session_due(s, 70000, WALL + 3599999, &in_ms));
    session_unref(s);
}

static void see_deadline(struct session *s, int64_t to_ms, int64_t now_ms)
{
    const struct kube_pod pod = {.namespace_name = "",
                                 .uid = "",
                                 .name = "",
                                 .node_name = "",
                                 .pod_ip = "",
                                 .marks.deadline_wall_ms = to_ms};
    session_see_pod(s, &pod, now_ms);
}

/* Another gateway extended it, and the agent was heard before that. */
static void a_deadline_that_moved_moves_what_the_agent_said(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    see(s, SPOKEN, 1000);
    see_deadline(s, s->deadline_wall_ms + 30000, 2000);
    assert_int_equal(session_left_ms(s, 1000, WALL), 90000);
    session_unref(s);
}

static int64_t left_behind_move(struct session *s, int64_t to_ms, int64_t now_ms)
{
    see_deadline(s, to_ms, now_ms);
    return session_left_ms(s, now_ms, WALL);
}

/* A longer life is told to the agent first, and the agent may be heard before the pod is. */
static void a_deadline_that_the_agent_told_is_not_counted_twice(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    see(s, "{\"seq\":1,\"started\":true,\"deadline_ms\":3600000}", 1000);
    see(s, "{\"seq\":2,\"started\":true,\"deadline_ms\":3659000}", 2000); /* a minute more */
    assert_int_equal(session_left_ms(s, 2000, WALL), 3659000);
    assert_int_equal(left_behind_move(s, WALL + 3660000, 2000), 3659000);
    /* The next is seen at the pod first. */
    assert_int_equal(left_behind_move(s, WALL + 3700000, 3000), 3698000);
    see(s, "{\"seq\":3,\"started\":true,\"deadline_ms\":3697000}", 4000);
    assert_int_equal(session_left_ms(s, 4000, WALL), 3697000);
    /* Two, of which one is seen yet; a shorter life; one that came to nothing. */
    see(s, "{\"seq\":4,\"started\":true,\"deadline_ms\":3717000}", 4000);
    assert_int_equal(left_behind_move(s, WALL + 3710000, 4000), 3717000);
    assert_int_equal(left_behind_move(s, WALL + 3720000, 4000), 3717000);
    assert_int_equal(left_behind_move(s, WALL + 3620000, 4000), 3617000);
    see(s, "{\"seq\":5,\"started\":true,\"deadline_ms\":3647000}", 4000);
    see(s, "{\"seq\":6,\"started\":true,\"deadline_ms\":3617000}", 4000);
    assert_int_equal(left_behind_move(s, WALL + 3650000, 4000), 3647000);
    session_unref(s);
}

/* Where it was made its age is known without a wall clock, before its agent says anything. */
static void the_deadline_of_a_session_made_here(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    s->placed_here = true;
    int64_t whole_ms = s->deadline_wall_ms - s->created_wall_ms;
    assert_int_equal(session_left_ms(s, s->created_ms + 10, WALL + 7200000), whole_ms - 10);
    session_unref(s);
}

struct witness {
    struct session *s;
    struct session_waiter waiter;
    int told;
    bool again;
    struct session_waiter *take_out;
};

static void tell(void *user)
{
    struct witness *w = user;
    w->told++;
    if (w->take_out)
        session_unwait(w->take_out);
    if (w->again)
        session_wait(w->s, &w->waiter, tell, w);
}

static void who_waits_is_told_once_of_each_change(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    struct witness once = {.s = s}, always = {.s = s, .again = true}, never = {.s = s};
    session_wait(s, &once.waiter, tell, &once);
    session_wait(s, &always.waiter, tell, &always);
    session_wait(s, &never.waiter, tell, &never);
    once.take_out = &never.waiter; /* one leaves while the others are told */
    session_wake(s);
    session_wake(s);
    assert_int_equal(once.told, 1);
    assert_int_equal(always.told, 2);
    assert_int_equal(never.told, 0);
    session_unwait(&always.waiter);
    assert_false(session_has_waiters(s));
    session_unref(s);
}

static void a_pods_story_is_kept(void **state)
{
    (void)state;
    struct session *s = ready_session(SESSION_CLEANUP_IDLE);
    char empty[] = "", ip[] = "10.0.0.1", node[] = "n1", name[] = "one", uid[] = "u";
    struct kube_pod pod = {.namespace_name = empty,
                           .name = name,
                           .uid = uid,
                           .node_name = empty,
                           .pod_ip = empty,
                           .reason = empty,
                           .message = empty,
                           .unschedulable = true,
                           .phase = KUBE_PENDING};
    assert_true(session_see_pod(s, &pod, 5000));
    assert_int_equal(s->unschedulable_since_ms, 5000);
    assert_false(session_see_pod(s, &pod, 6000));
    assert_int_equal(s->unschedulable_since_ms, 5000);
    assert_string_equal(s->pod_trouble, "unschedulable");
    pod.unschedulable = false;
    pod.node_name = node;
    pod.pod_ip = ip;
    pod.ready = true;
    pod.phase = KUBE_RUNNING;
    assert_true(session_see_pod(s, &pod, 7000));
    assert_int_equal(s->unschedulable_since_ms, 0);
    assert_string_equal(s->agent.host, "10.0.0.1");
    pod.phase = KUBE_FAILED;
    pod.oom_killed = true;
    assert_true(session_see_pod(s, &pod, 8000));
    assert_true(s->pod_over);
    assert_string_equal(s->pod_trouble, "oom_killed");
    session_unref(s);
}

static void words_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < SESSION_STATE_COUNT; i++) {
        enum session_state back;
        assert_true(session_state_from_word(session_state_word((enum session_state)i), &back));
        assert_int_equal(back, i);
    }
    enum session_state none;
    assert_false(session_state_from_word("READY", &none));
}

static void a_spec_survives_its_annotation(void **state)
{
    (void)state;
    struct session_spec a = {.environment = "python",
                             .cleanup = SESSION_CLEANUP_IDLE,
                             .timeout_ms = 5000,
                             .idle_ms = 6000,
                             .linger_ms = 70,
                             .millicpu = 500,
                             .memory_bytes = 1 << 28,
                             .disk_bytes = 1 << 26,
                             .runtime_class = "gvisor",
                             .placement_reason = "local_room",
                             .has_env = true,
                             .again = true,
                             .created_wall_ms = WALL};
    struct session_spec b;
    struct buf text;
    struct err err;
    a.metadata = json_build("{s:i}", "k", 1);
    struct json_t *j = session_spec_to_json(&a);
    buf_init(&text, 4096);
    json_print(j, &text);
    assert_int_equal(session_spec_from_text(&b, buf_text(&text), &err), 0);
    assert_string_equal(b.environment, "python");
    assert_int_equal(b.cleanup, SESSION_CLEANUP_IDLE);
    assert_int_equal(b.timeout_ms, 5000);
    assert_int_equal(b.linger_ms, 70);
    assert_int_equal(b.memory_bytes, 1 << 28);
    assert_int_equal(b.created_wall_ms, WALL);
    assert_true(b.has_env);
    assert_true(b.again);
    assert_int_equal(json_int(json_get(b.metadata, "k"), 0), 1);
    assert_int_equal(session_spec_from_text(&b, "{", &err), -ERR_BAD_JSON);
    session_spec_fini(&a);
    session_spec_fini(&b);
    json_free(j);
    buf_fini(&text);
}

/* A gateway that came later, or whose word from the agent is old, does not give a start up. */
static void an_agent_that_was_not_heard_may_have_begun(void **state)
{
    (void)state;
    struct kube_pod pod = {.name = "s",
                           .uid = "u",
                           .namespace_name = "n",
                           .node_name = "",
                           .pod_ip = "",
                           .phase = KUBE_PENDING};
    struct session *s = session_new("s", "t", 8700, 0);
    session_see_pod(s, &pod, 1000);
    assert_true(session_is_unstarted(s, 1000));
    pod.phase = KUBE_RUNNING;
    pod.ready = true;
    session_see_pod(s, &pod, 2000);
    assert_false(session_is_unstarted(s, 1000));
    pod.ready = false; /* its node does not report */
    session_see_pod(s, &pod, 3000);
    assert_false(session_is_unstarted(s, 1000));
    s->activity_seen_ms = 4000; /* it said that it was not started */
    assert_true(session_is_unstarted(s, 4000));
    assert_false(session_is_unstarted(s, 5000));
    s->activity.started = true;
    assert_false(session_is_unstarted(s, 4000));
    session_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_was_not_heard_may_have_begun),
        cmocka_unit_test(numbers_that_no_agent_says_are_refused),
        cmocka_unit_test(the_agents_word_moves_the_state),
        cmocka_unit_test(what_is_installed_first_is_told),
        cmocka_unit_test(hostile_words_of_an_agent_become_plain),
        cmocka_unit_test(idle_ends_by_the_agents_clock),
        cmocka_unit_test(completion_lingers_behind_the_last_execution),
        cmocka_unit_test(the_deadline_is_hard),
        cmocka_unit_test(the_deadline_is_counted_by_the_agent),
        cmocka_unit_test(a_deadline_that_moved_moves_what_the_agent_said),
        cmocka_unit_test(a_deadline_that_the_agent_told_is_not_counted_twice),
        cmocka_unit_test(the_deadline_of_a_session_made_here),
        cmocka_unit_test(who_waits_is_told_once_of_each_change),
        cmocka_unit_test(a_pods_story_is_kept),
        cmocka_unit_test(words_go_both_ways),
        cmocka_unit_test(a_spec_survives_its_annotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
