#include "unit.h"

#include "router/peers.h"

#include <stdio.h>

static const char *const THREE[] = {"gateway-1", "gateway-2", "gateway-3"};
static const char *const TWO[] = {"gateway-3", "gateway-1"};

static void even_and_stable(void **state)
{
    int owned[3] = {0};

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "s%d", i);
        const char *of_three = peers_owner(THREE, 3, id);
        const char *of_two = peers_owner(TWO, 2, id);
        owned[of_three[8] - '1']++;
        /* Who leaves takes only his own with him. */
        if (strcmp(of_three, "gateway-2") != 0)
            assert_string_equal(of_three, of_two);
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(owned[i], 850, 1150);
    assert_null(peers_owner(THREE, 0, "s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(even_and_stable)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
