#include "unit.h"

#include "sandbox/warm_message.h"

static void texts_in_their_order(void **state)
{
    (void)state;
    char *words[] = {"/usr/bin/x", "-u", "file", "name", "an arg", "", NULL};
    char *pairs[] = {"A=b", "C=", NULL};
    const struct text_list command = {words, 6}, env = {pairs, 2};
    const char want[] = "/w\0"
                        "4\0file\0name\0an arg\0\0A=b\0C=";
    struct buf b;
    buf_init(&b, WARM_MESSAGE_MAX);
    assert_true(warm_message_print(&b, "/w", &command, 2, &env));
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    assert_false(warm_message_print(&b, "/w", &command, 7, &env));
    buf_fini(&b);
}

static void too_long(void **state)
{
    (void)state;
    char *words[] = {"a text that is too long for this", NULL};
    const struct text_list command = {words, 1}, none = {0};
    struct buf b;
    buf_init(&b, 16);
    assert_false(warm_message_print(&b, "/w", &command, 0, &none));
    buf_fini(&b);
}

static void names_that_count_at_the_start(void **state)
{
    (void)state;
    char *plain[] = {"A=b", "PATHS=x", "MY_LANG=de", NULL};
    const char *odd[] = {"PYTHONPATH=x", "LD_PRELOAD=x", "NODE_OPTIONS=x", "LC_ALL=C",
                         "LANG=C",       "TZ=UTC",       "HOME=/x",        "MALLOC_CHECK_=3"};
    assert_true(warm_message_env_is_plain(&(struct text_list){plain, 3}));
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        char *pairs[] = {plain[0], (char *)(uintptr_t)odd[i], NULL};
        assert_false(warm_message_env_is_plain(&(struct text_list){pairs, 2}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_in_their_order),
        cmocka_unit_test(too_long),
        cmocka_unit_test(names_that_count_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
