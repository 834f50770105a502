#include "unit.h"

#include "base/mem.h"

#include <stdlib.h>

static void memory_is_zeroed(void **state)
{
    (void)state;
    char *p = mem_alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    p = mem_resize(p, 200);
    free(p);
    int64_t *numbers = mem_array(10, sizeof(*numbers));
    assert_int_equal(numbers[9], 0);
    free(numbers);
    p = mem_alloc(0);
    assert_non_null(p);
    free(p);
}

static void a_product_that_overflows_aborts(void **state)
{
    (void)state;
    assert_aborts(free(mem_array(SIZE_MAX / 2 + 1, 2))); /* would wrap to 0 */
    assert_aborts(free(mem_text_n("x", SIZE_MAX)));
}

static void texts_are_copied(void **state)
{
    (void)state;
    char *text = mem_text("hello");
    assert_string_equal(text, "hello");
    mem_free_text(&text);
    assert_null(text);
    mem_free_text(&text);
    assert_null(mem_text(NULL));
    text = mem_text_n("hello", 4);
    assert_string_equal(text, "hell");
    free(text);
    text = mem_text_n(NULL, 0);
    assert_string_equal(text, "");
    free(text);
    text = mem_format("%s-%d", "a", 7);
    assert_string_equal(text, "a-7");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed),
        cmocka_unit_test(a_product_that_overflows_aborts),
        cmocka_unit_test(texts_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
