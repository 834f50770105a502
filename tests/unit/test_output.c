#include "unit.h"

#include "sandbox/output.h"

#include <stdlib.h>

/* Byte i of the stream, so that every copy can be checked. */
static char byte_at(uint64_t i)
{
    return (char)(i * 31 + i / 251);
}

static void write_stream(struct output *o, uint64_t total, size_t piece)
{
    char *bytes = malloc(piece);
    for (uint64_t at = 0; at < total;) {
        size_t n = total - at < piece ? (size_t)(total - at) : piece;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(at + i);
        output_add(o, (struct slice){bytes, n});
        at += n;
    }
    free(bytes);
}

static void check_range(const struct output_view *v, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        char c;
        output_view_copy(v, i, 1, &c);
        assert_int_equal(c, byte_at(i));
    }
}

static void everything_is_kept_up_to_the_limit(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 300; piece = piece * 3 + 1) {
        struct output o;
        output_init(&o, 200);
        write_stream(&o, 200, piece);
        struct output_view v = output_view(&o);
        assert_int_equal(v.total, 200);
        assert_int_equal(output_view_dropped(&v), 0);
        check_range(&v, 0, 200);
        char all[200];
        output_view_copy(&v, 0, 200, all); /* across the seam of head and tail */
        for (size_t i = 0; i < 200; i++)
            assert_int_equal(all[i], byte_at(i));
        output_fini(&o);
    }
}

static void beyond_it_head_and_tail_stay(void **state)
{
    (void)state;
    const uint64_t totals[] = {201, 250, 299, 300, 301, 1000, 12345};
    for (size_t t = 0; t < sizeof(totals) / sizeof(totals[0]); t++)
        for (size_t piece = 1; piece < 1000; piece = piece * 2 + 5) {
            struct output o;
            output_init(&o, 200);
            write_stream(&o, totals[t], piece);
            struct output_view v = output_view(&o);
            assert_int_equal(v.total, totals[t]);
            assert_int_equal(output_view_dropped(&v), totals[t] - 200);
            assert_int_equal(output_view_tail_start(&v), totals[t] - 100);
            check_range(&v, 0, 100);
            check_range(&v, totals[t] - 100, totals[t]);
            assert_true(output_memory(&o) <= 200);
            output_fini(&o);
        }
}

static void memory_grows_with_what_is_written(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, 1024 * 1024);
    assert_int_equal(output_memory(&o), 0);
    output_add(&o, (struct slice){"x", 1});
    assert_true(output_memory(&o) <= 4096);
    output_fini(&o);
}

static void a_read_across_the_gap_is_our_own_error(void **state)
{
    (void)state;
    struct output o;
    output_init(&o, 200);
    write_stream(&o, 1000, 64);
    struct output_view v = output_view(&o);
    char some[20];
    assert_aborts(output_view_copy(&v, 90, 20, some));
    assert_aborts(output_view_copy(&v, 990, 20, some));
    output_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_kept_up_to_the_limit),
        cmocka_unit_test(beyond_it_head_and_tail_stay),
        cmocka_unit_test(memory_grows_with_what_is_written),
        cmocka_unit_test(a_read_across_the_gap_is_our_own_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
