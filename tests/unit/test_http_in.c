#include "unit.h"

#include "http/http_in.h"

#include <stdlib.h>

/* Any mix of adding, dropping and keeping gives the bytes in order, whatever happens to the read
 * buffer. */
static void keeps_the_order(void **state)
{
    struct http_in in = {{NULL, 0}, NULL, 0};
    unsigned char next_in = 0;
    unsigned char next_out = 0;
    (void)state;
    srand(1);
    for (int turn = 0; turn < 20000; turn++) {
        size_t len = 1 + (size_t)(rand() % 300);
        char *buffer = malloc(len);
        for (size_t i = 0; i < len; i++)
            buffer[i] = (char)next_in++;
        http_in_add(&in, buffer, len);
        size_t drop = in.window.len > 4000 ? in.window.len : (size_t)rand() % (in.window.len + 1);
        for (size_t i = 0; i < drop; i++)
            assert_int_equal((unsigned char)in.window.at[i], next_out++);
        http_in_drop(&in, drop);
        http_in_keep(&in);
        free(buffer);
        if (in.window.len == 0)
            assert_null(in.kept);
    }
    http_in_clear(&in);
    assert_null(in.kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
