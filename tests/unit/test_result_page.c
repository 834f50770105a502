#include "unit.h"

#include "base/json.h"
#include "sandbox/result_page.h"

#include <stdlib.h>

struct fixture {
    struct json_t *meta;
    struct output out, err;
    bool ended;
};

static void set_up(struct fixture *f, size_t keep, const char *text, size_t len)
{
    f->meta = json_build("{s:s}", "status", "running");
    f->ended = false;
    output_init(&f->out, keep);
    output_init(&f->err, keep);
    output_add(&f->out, (struct slice){text, len});
}

static void tear_down(struct fixture *f)
{
    json_free(f->meta);
    output_fini(&f->out);
    output_fini(&f->err);
}

static struct result_source source_of(const struct fixture *f)
{
    return (struct result_source){f->meta, output_view(&f->out), output_view(&f->err), f->ended};
}

/* The page as JSON; NULL and *code when refused. */
static struct json_t *page(const struct fixture *f, int64_t offset, int64_t limit, bool base64,
                           int *code)
{
    struct result_source s = source_of(f);
    struct result_query q = {.stdout_offset = offset, .limit = limit, .base64 = base64};
    struct err err = {0};
    struct buf out;
    buf_init(&out, RESULT_PAGE_MAX);
    *code = result_page_print(&s, &q, &out, &err);
    struct json_t *j = *code == 0 ? json_parse_object(buf_slice(&out), &err) : NULL;
    if (*code < 0)
        assert_int_equal(out.len, 0);
    else
        assert_non_null(j);
    buf_fini(&out);
    return j;
}

static void expect(const struct fixture *f, int64_t offset, int64_t limit, const char *text,
                   int64_t start, int64_t next, int64_t skipped, bool binary)
{
    int code;
    struct json_t *j = page(f, offset, limit, false, &code);
    assert_int_equal(code, 0);
    assert_string_equal(json_text(json_get(j, "stdout")), text);
    assert_int_equal(json_int(json_get(j, "stdout_offset"), -1), start);
    assert_int_equal(json_int(json_get(j, "stdout_next"), -1), next);
    assert_int_equal(json_int(json_get(j, "stdout_skipped"), -1), skipped);
    assert_int_equal(json_true(json_get(j, "stdout_binary")), binary);
    json_free(j);
}

static void pages_by_offset_and_limit(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 100, "hello world", 11);
    expect(&f, 0, 100, "hello world", 0, 11, 0, false);
    expect(&f, 6, 3, "wor", 6, 9, 0, false);
    expect(&f, 11, 5, "", 11, 11, 0, false);
    tear_down(&f);
}

static void behind_the_end_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 100, "abc", 3);
    int code;
    assert_null(page(&f, 4, 10, false, &code));
    assert_int_equal(code, -ERR_OFFSET_BEYOND_END);
    tear_down(&f);
}

static void cuts_at_characters_and_gives_at_least_one(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 100,
           "a\xE2\x82\xAC"
           "b\xF0\x9F\x98\x80",
           9);
    expect(&f, 0, 1, "a", 0, 1, 0, false);
    expect(&f, 0, 2, "a", 0, 1, 0, false);
    expect(&f, 0, 4, "a\xE2\x82\xAC", 0, 4, 0, false);
    expect(&f, 1, 1, "\xE2\x82\xAC", 1, 4, 0, false);
    expect(&f, 5, 1, "\xF0\x9F\x98\x80", 5, 9, 0, false);
    expect(&f, 2, 2, "\xEF\xBF\xBD\xEF\xBF\xBD", 2, 4, 0, true); /* an offset inside a character */
    tear_down(&f);
}

static void half_a_character_waits_while_it_runs(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 100, "x\xE2\x82", 3);
    expect(&f, 0, 100, "x", 0, 1, 0, false);
    expect(&f, 1, 100, "", 1, 1, 0, false);
    f.ended = true;
    expect(&f, 0, 100, "x\xEF\xBF\xBD\xEF\xBF\xBD", 0, 3, 0, true);
    tear_down(&f);
}

static void never_crosses_the_gap(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 8, "0123456789abcdefghij", 20); /* 0123 … ghij */
    expect(&f, 0, 100, "0123", 0, 4, 0, false);
    expect(&f, 4, 100, "ghij", 16, 20, 12, false);
    expect(&f, 10, 2, "gh", 16, 18, 6, false);
    expect(&f, 16, 100, "ghij", 16, 20, 0, false);
    int code;
    struct json_t *j = page(&f, 0, 100, false, &code);
    assert_int_equal(json_int(json_get(j, "stdout_total"), -1), 20);
    assert_int_equal(json_int(json_get(j, "stdout_dropped"), -1), 12);
    assert_true(json_true(json_get(j, "truncated")));
    json_free(j);
    tear_down(&f);
}

static void a_character_cut_by_the_gap_is_binary(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 8,
           "abc\xE2\x82\xAC__________\xE2\x82\xAC"
           "z",
           20);
    f.ended = true;
    expect(&f, 0, 100, "abc\xEF\xBF\xBD", 0, 4, 0, true);
    expect(&f, 16, 100,
           "\xE2\x82\xAC"
           "z",
           16, 20, 0, false);
    tear_down(&f);
}

static void base64_gives_all_bytes(void **state)
{
    (void)state;
    const char *texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    const char *wanted[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fixture f;
        set_up(&f, 100, texts[i], strlen(texts[i]));
        int code;
        struct json_t *j = page(&f, 0, 100, true, &code);
        assert_string_equal(json_text(json_get(j, "stdout")), wanted[i]);
        assert_string_equal(json_text(json_get(j, "encoding")), "base64");
        json_free(j);
        tear_down(&f);
    }
    struct fixture f;
    set_up(&f, 100, "\xE2\x82\xAC", 3);
    int code;
    struct json_t *j = page(&f, 0, 2, true, &code); /* bytes, not characters */
    assert_string_equal(json_text(json_get(j, "stdout")), "4oI=");
    assert_int_equal(json_int(json_get(j, "stdout_next"), -1), 2);
    json_free(j);
    tear_down(&f);
}

static void news(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 100, "ab\xE2\x82", 4);
    struct result_query q = {.stdout_offset = 1};
    struct result_source s = source_of(&f);
    assert_true(result_page_has_news(&s, &q));
    q.stdout_offset = 2; /* half a character is none */
    assert_false(result_page_has_news(&s, &q));
    q.stdout_offset = 4;
    assert_false(result_page_has_news(&s, &q));
    q.stdout_offset = 5; /* an error is told at once */
    assert_true(result_page_has_news(&s, &q));
    q.stdout_offset = 4;
    s.ended = true;
    assert_true(result_page_has_news(&s, &q));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_by_offset_and_limit),
        cmocka_unit_test(behind_the_end_is_refused),
        cmocka_unit_test(cuts_at_characters_and_gives_at_least_one),
        cmocka_unit_test(half_a_character_waits_while_it_runs),
        cmocka_unit_test(never_crosses_the_gap),
        cmocka_unit_test(a_character_cut_by_the_gap_is_binary),
        cmocka_unit_test(base64_gives_all_bytes),
        cmocka_unit_test(news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
