#include "unit.h"

#include "sandbox/user_env.h"

#include <stdlib.h>

static const char *value(const struct text_list *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
            return env->items[i] + len + 1;
    return NULL;
}

static void later_ones_win_and_ours_is_not_inherited(void **state)
{
    (void)state;
    setenv("SPILLWAY_TOKEN_SHA256", "canary", 1);
    char *session_items[] = {"A=session", "LANG=de", NULL};
    char *execution_items[] = {"A=execution", "AB=2", "PATH=/x", NULL};
    struct text_list session = {session_items, 2}, execution = {execution_items, 3};
    struct text_list env = user_env_make(&session, &execution);
    assert_string_equal(value(&env, "A"), "execution");
    assert_string_equal(value(&env, "AB"), "2");
    assert_string_equal(value(&env, "LANG"), "de");
    assert_string_equal(value(&env, "PATH"), "/x");
    assert_string_equal(value(&env, "HOME"), "/home/sandbox");
    assert_null(value(&env, "SPILLWAY_TOKEN_SHA256"));
    assert_null(env.items[env.count]);
    text_list_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(later_ones_win_and_ours_is_not_inherited)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
