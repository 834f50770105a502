#include "unit.h"

#include "clusters/line_splitter.h"

#include <stdlib.h>

static bool collect(struct slice line, void *user)
{
    struct buf *b = user;

    buf_add_text(b, "<");
    buf_add(b, line.at, line.len);
    buf_add_text(b, ">");
    return !slice_eq(line, "stop");
}

/* The piece lies in memory of its own, so that a look beyond its end is seen by the sanitizer. */
static enum line_splitter_result feed(struct line_splitter *s, const char *at, size_t len,
                                      struct buf *out)
{
    char *copy = malloc(len + (len == 0));

    memcpy(copy, at, len);
    enum line_splitter_result r = line_splitter_feed(s, (struct slice){copy, len}, collect, out);
    free(copy);
    return r;
}

static void cut_at_every_byte(void **state)
{
    static const char TEXT[] = "one\n\ntwo two\r\nthree\n\r\nfour";
    struct line_splitter s;
    struct buf out;

    (void)state;
    for (size_t step = 1; step <= strlen(TEXT); step++) {
        line_splitter_init(&s, 100);
        buf_init(&out, 1000);
        for (size_t i = 0; i < strlen(TEXT); i += step) {
            size_t len = strlen(TEXT) - i < step ? strlen(TEXT) - i : step;
            assert_int_equal(feed(&s, TEXT + i, len, &out), LINE_SPLITTER_MORE);
        }
        assert_string_equal(buf_text(&out), "<one><two two><three>");
        assert_int_equal(feed(&s, "\n", 1, &out), LINE_SPLITTER_MORE);
        assert_string_equal(buf_text(&out), "<one><two two><three><four>");
        buf_fini(&out);
        line_splitter_fini(&s);
    }
}

static void stops_and_limits(void **state)
{
    struct line_splitter s;
    struct buf out;

    (void)state;
    line_splitter_init(&s, 8);
    buf_init(&out, 1000);
    assert_int_equal(feed(&s, "a\nstop\nb\n", 9, &out), LINE_SPLITTER_STOPPED);
    assert_string_equal(buf_text(&out), "<a><stop>");
    line_splitter_clear(&s);
    assert_int_equal(feed(&s, "12345678\n", 9, &out), LINE_SPLITTER_MORE);
    assert_int_equal(feed(&s, "123456789\n", 10, &out), LINE_SPLITTER_TOO_LONG);
    line_splitter_clear(&s);
    assert_int_equal(feed(&s, "12345", 5, &out), LINE_SPLITTER_MORE);
    assert_int_equal(feed(&s, "6789", 4, &out), LINE_SPLITTER_TOO_LONG);
    line_splitter_clear(&s);
    assert_int_equal(feed(&s, "9\n", 2, &out), LINE_SPLITTER_MORE);
    assert_string_equal(buf_text(&out), "<a><stop><12345678><9>");
    buf_fini(&out);
    line_splitter_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(stops_and_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
