#include "gateway/lookup_budget.h"

#include "tests/unit/unit.h"

#include <stdio.h>

static int take(struct lookup_budget *b, const char *tenant, int64_t now_ms, int tries)
{
    int got = 0;
    for (int i = 0; i < tries; i++)
        got += lookup_budget_take(b, tenant, now_ms);
    return got;
}

static void a_tenant_has_its_share_and_leaves_the_others_theirs(void **state)
{
    (void)state;
    struct lookup_budget b = {0};
    assert_int_equal(take(&b, "flood", 5000, 10000), 500);
    assert_int_equal(take(&b, "calm", 5000, 50), 50);
    assert_int_equal(take(&b, "flood", 5500, 10000), 50); /* what came back meanwhile */
    assert_int_equal(take(&b, "flood", 60000, 10000), 500);
}

static void all_together_have_an_end(void **state)
{
    (void)state;
    struct lookup_budget b = {0};
    char name[16];
    int got = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        got += take(&b, name, 5000, 100);
    }
    assert_int_equal(got, 1000);
    assert_int_equal(take(&b, "late", 5004, 5), 0);
    assert_int_equal(take(&b, "late", 5025, 100), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_has_its_share_and_leaves_the_others_theirs),
        cmocka_unit_test(all_together_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
