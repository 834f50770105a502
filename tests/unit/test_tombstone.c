#include "gateway/tombstone.h"

#include "base/digest.h"
#include "base/json.h"
#include "gateway/session.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct session *ended_session(void)
{
    struct session *s = session_new("one", "acme", 8700, 1);
    fsm_move(&s->fsm, SESSION_CREATING);
    fsm_move(&s->fsm, SESSION_STOPPING);
    strcpy(s->epoch, "0123456789abcdef0123456789abcdef");
    strcpy(s->reason, "completion");
    session_see_execution(s, "e1", true, 5);
    session_see_execution(s, "e2", true, 6);
    session_note_execution(s, "e1", "stored");
    session_note_execution(s, "e1", "running"); /* what is stored stays so */
    return s;
}

static void what_was_not_stored_is_lost(void **state)
{
    (void)state;
    struct session *s = ended_session();
    struct tombstone *t = tombstone_new(s, false, NULL, "local");
    assert_string_equal(json_get_text(tombstone_execution(t, "e1"), "status", ""), "completed");
    assert_string_equal(json_get_text(tombstone_execution(t, "e2"), "status", ""), "lost");
    assert_null(tombstone_execution(t, "e3"));
    tombstone_free(&t);
    session_unref(s);
}

static void it_survives_its_text(void **state)
{
    (void)state;
    struct session *s = ended_session();
    struct json_t *list = json_new_array();
    struct buf text;
    struct err err;
    json_add(list, json_build("{s:s,s:s}", "execution_id", "x", "status", "failed"));
    struct tombstone *t = tombstone_new(s, true, list, "local");
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    tombstone_print(t, &text);
    struct tombstone *back = tombstone_parse("one", buf_slice(&text), &err);
    assert_non_null(back);
    assert_true(back->agreed);
    assert_string_equal(back->tenant, "acme");
    assert_string_equal(back->epoch, s->epoch);
    assert_string_equal(back->last_execution, "e2");
    assert_int_equal(back->cleanup, SESSION_CLEANUP_COMPLETION);
    assert_string_equal(json_get_text(back->view, "reason", ""), "completion");
    assert_string_equal(json_get_text(tombstone_execution(back, "x"), "status", ""), "failed");
    assert_null(tombstone_execution(back, "e1")); /* the agent's list is the whole truth */
    tombstone_free(&t);
    tombstone_free(&back);
    buf_fini(&text);
    session_unref(s);
}

static void what_was_let_go_is_known(void **state)
{
    (void)state;
    struct session *s = ended_session();
    struct tombstone *t = tombstone_new(s, true, json_new_array(), "local");
    char sum[DIGEST_HEX], both[2 * DIGEST_HEX];
    digest_sha256_hex(slice_of("gone-by"), sum);
    snprintf(both, sizeof(both), "0123456789ab%.12s", sum);
    struct json_t *digests = json_new_text(both);
    assert_false(tombstone_knows(t, "gone-by"));
    tombstone_set_let_go(t, digests);
    json_free(digests);
    assert_true(tombstone_knows(t, "gone-by"));
    assert_false(tombstone_knows(t, "other"));
    assert_null(tombstone_execution(t, "gone-by"));
    tombstone_free(&t);
    session_unref(s);
}

static void damage_is_told(void **state)
{
    (void)state;
    struct err err;
    assert_null(tombstone_parse("one", slice_of("{"), &err));
    assert_null(tombstone_parse("one", slice_of("{\"executions\":5}"), &err));
    assert_int_equal(err.code, ERR_STORE);
    /* JSON, and not what is written: each would say that nothing ran, or to nobody. */
    assert_null(tombstone_parse("one", slice_of("{\"executions\":[],\"session\":{}}"), &err));
    assert_null(tombstone_parse("one",
                                slice_of("{\"tenant\":\"acme\",\"agreed\":true,\"executions\":[5],"
                                         "\"session\":{}}"),
                                &err));
    assert_null(tombstone_parse("one",
                                slice_of("{\"tenant\":\"acme\",\"agreed\":true,\"executions\":[],"
                                         "\"let_go\":7,\"session\":{}}"),
                                &err));
    struct tombstone *good = tombstone_parse(
        "one", slice_of("{\"tenant\":\"acme\",\"agreed\":true,\"executions\":[],\"session\":{}}"),
        &err);
    assert_non_null(good);
    tombstone_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_stored_is_lost),
        cmocka_unit_test(it_survives_its_text),
        cmocka_unit_test(what_was_let_go_is_known),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
