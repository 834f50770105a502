#include "unit.h"

#include "base/world.h"

/* A world whose random bytes are given. */
struct scripted_world {
    struct world world;
    uint64_t draws[8];
    size_t count, at;
};

static void scripted_random(struct world *w, void *out, size_t len)
{
    struct scripted_world *s = container_of(w, struct scripted_world, world);
    assert_true(s->at < s->count);
    memcpy(out, &s->draws[s->at++], len);
}

static const struct world_ops SCRIPTED = {.random = scripted_random};

static void below_draws_again_what_would_be_unfair(void **state)
{
    (void)state;
    struct scripted_world s = {{&SCRIPTED}, {UINT64_MAX, UINT64_MAX - 1, 7}, 3, 0};
    assert_int_equal(world_random_below(&s.world, 5), 4); /* UINT64_MAX is a multiple of 5 */
    assert_int_equal(s.at, 2);
    s.at = 2;
    assert_int_equal(world_random_below(&s.world, 1), 0);
    assert_aborts(world_random_below(&s.world, 0));
}

static void hex_is_terminated(void **state)
{
    (void)state;
    struct scripted_world s = {{&SCRIPTED}, {0x01ab}, 1, 0}; /* the lowest byte first */
    char hex[6] = "xxxxx";
    world_random_hex(&s.world, hex, 2);
    assert_string_equal(hex, "ab01");
    assert_int_equal(hex[5], 0);
}

static void freeing_no_timer_does_nothing(void **state)
{
    (void)state;
    struct scripted_world s = {{&SCRIPTED}, {0}, 0, 0};
    struct timer *t = NULL;
    timer_free(&s.world, &t);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_draws_again_what_would_be_unfair),
        cmocka_unit_test(hex_is_terminated),
        cmocka_unit_test(freeing_no_timer_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
