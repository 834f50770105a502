#include "unit.h"

#include "base/json.h"
#include "sandbox/result_record.h"

struct sample {
    struct output out, err;
    struct event_journal journal;
    struct json_t *meta;
    int64_t now;
};

static void begin(struct sample *s, size_t keep)
{
    *s = (struct sample){0};
    output_init(&s->out, keep);
    output_init(&s->err, keep);
    event_journal_init(&s->journal, 0);
    s->meta = json_build("{s:s,s:s,s:[{s:s,s:s}]}", "status", "completed", "result", "42",
                         "display", "mime", "image/png", "data", "AAAA");
}

static void end(struct sample *s)
{
    output_fini(&s->out);
    output_fini(&s->err);
    event_journal_fini(&s->journal);
    json_free(s->meta);
}

static int64_t add(struct sample *s, enum event_output which, const char *text, bool final)
{
    struct output *o = which == EVENT_STDOUT ? &s->out : &s->err;
    output_add(o, slice_of(text));
    struct output_view v = output_view(o);
    return event_journal_add(&s->journal, which, &v, s->now, final);
}

static struct event_source source(const struct sample *s, bool ended)
{
    return (struct event_source){{s->meta, output_view(&s->out), output_view(&s->err), ended},
                                 &s->journal};
}

static void tell_all(const struct event_source *s, int64_t last, struct buf *out)
{
    struct event_cursor c;
    struct err err = {0};
    assert_int_equal(event_stream_seek(s, last, &c, &err), 0);
    buf_init(out, EVENT_TEXT_MAX);
    while (event_stream_next(s, &c, out) == EVENT_STEP_TOLD) {
    }
}

static void events_are_told_in_order(void **state)
{
    (void)state;
    struct sample s;
    struct buf text;
    begin(&s, 1000);
    add(&s, EVENT_STDOUT, "a\n\xE2\x82", false); /* the rest of the character is still to come */
    add(&s, EVENT_STDERR, "b", false);
    add(&s, EVENT_STDOUT, "\xAC", false);
    struct event_source live = source(&s, true);
    tell_all(&live, 0, &text);
    assert_string_equal(
        buf_text(&text),
        "id: 1\nevent: stdout\ndata: {\"seq\":1,\"offset\":0,\"text\":\"a\\n\"}\n\n"
        "id: 2\nevent: stderr\ndata: {\"seq\":2,\"offset\":0,\"text\":\"b\"}\n\n"
        "id: 3\nevent: stdout\ndata: {\"seq\":3,\"offset\":2,\"text\":\"\xE2\x82\xAC\"}\n\n"
        "id: 4\nevent: result\ndata: {\"text\":\"42\"}\n\n"
        "id: 5\nevent: image\ndata: {\"mime\":\"image/png\",\"data\":\"AAAA\"}\n\n"
        "id: 6\nevent: exit\ndata: {\"status\":\"completed\",\"result\":\"42\",\"display\":"
        "[{\"mime\":\"image/png\",\"data\":\"AAAA\"}]}\n\n");
    buf_fini(&text);
    end(&s);
}

static void a_record_tells_what_the_live_execution_told(void **state)
{
    (void)state;
    struct sample s;
    begin(&s, 64);
    for (int i = 0; i < 40; i++)
        add(&s, i % 3 ? EVENT_STDOUT : EVENT_STDERR, "x\xE2\x82\xACyz\n", i == 39);
    add(&s, EVENT_STDERR, "", true);
    struct event_source live = source(&s, true);
    struct buf record;
    struct err err = {0};
    buf_init(&record, RESULT_RECORD_MAX);
    result_record_print_events(&live, &record);
    struct result_record *r = result_record_parse(buf_slice(&record), &err);
    assert_non_null(r);
    assert_null(json_get(r->meta, "events"));
    struct event_source stored = result_record_events(r);
    for (int64_t last = 0; last <= 43; last++) {
        struct buf a, b;
        tell_all(&live, last, &a);
        tell_all(&stored, last, &b);
        assert_string_equal(buf_text(&a), buf_text(&b));
        buf_fini(&a);
        buf_fini(&b);
    }
    struct event_cursor c;
    struct slice far = slice_of("99999999999999999999");
    int64_t last;
    assert_int_equal(event_stream_seek(&stored, 43, &c, &err), 0);
    assert_true(event_stream_is_finished(&stored, &c));
    assert_int_equal(event_stream_seek(&stored, 44, &c, &err), 0);
    assert_true(event_stream_is_finished(&stored, &c));
    assert_int_equal(event_stream_last(far, &last, &err), 0);
    assert_int_equal(event_stream_seek(&stored, last, &c, &err), 0);
    assert_true(event_stream_is_finished(&stored, &c));
    struct event_source running = source(&s, false);
    assert_int_equal(event_stream_seek(&running, 44, &c, &err), -ERR_INVALID_ARGUMENT);
    assert_int_equal(event_stream_seek(&stored, -1, &c, &err), -ERR_INVALID_ARGUMENT);
    result_record_free(&r);
    buf_fini(&record);
    end(&s);
}

static void a_flood_makes_few_entries(void **state)
{
    (void)state;
    struct sample s;
    begin(&s, 1000);
    int64_t waited = 0;
    for (s.now = 0; s.now < 24 * 3600 * 1000; s.now += 10)
        if (add(&s, EVENT_STDOUT, "x", false) > 0)
            waited++;
    assert_true(waited > 0);
    assert_true(s.journal.count < EVENT_JOURNAL_MAX);
    add(&s, EVENT_STDOUT, "", true);
    assert_int_equal(s.journal.covered[EVENT_STDOUT], s.out.total);
    end(&s);
}

static void journals_that_lie_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"[0]",      "[11]", "[-6]", "[5,6]",  "[9223372036854775807]",
                         "[\"a\"]",  "{}",   "7",    "[null]", "[-9223372036854775808]",
                         "[1,-5,-1]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        struct event_journal j;
        struct json_t *array = json_parse(slice_of(bad[i]), &err);
        assert_non_null(array);
        assert_false(event_journal_parse(&j, array, 10, 5));
        event_journal_fini(&j);
        json_free(array);
    }
}

static void ids_are_numbers(void **state)
{
    (void)state;
    struct err err = {0};
    int64_t last = -1;
    assert_int_equal(event_stream_last((struct slice){0}, &last, &err), 0);
    assert_int_equal(last, 0);
    assert_int_equal(event_stream_last(slice_of("17"), &last, &err), 0);
    assert_int_equal(last, 17);
    assert_int_equal(event_stream_last(slice_of("1x"), &last, &err), -ERR_INVALID_ARGUMENT);
    assert_int_equal(event_stream_last(slice_of("99999999999999999999"), &last, &err), 0);
    assert_true(last > INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_told_in_order),
        cmocka_unit_test(a_record_tells_what_the_live_execution_told),
        cmocka_unit_test(a_flood_makes_few_entries),
        cmocka_unit_test(journals_that_lie_are_refused),
        cmocka_unit_test(ids_are_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
