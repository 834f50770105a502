#include "unit.h"

#include "watermark/slots.h"

#define MI ((int64_t)1 << 20)

static const struct kube_resources SHAPE = {500, 256 * MI, 0, 1};

static void the_scarcest_counts(void **state)
{
    static const struct {
        struct kube_resources room;
        int64_t slots;
    } CASES[] = {
        {{400, 4096 * MI, 0, 100}, 0},  {{-100, 4096 * MI, 0, 100}, 0},
        {{1700, 1024 * MI, 0, 100}, 3}, {{9000, 9000 * MI, 0, 2}, 2},
        {{9000, 511 * MI, 0, 99}, 1},   {{500, 256 * MI, 0, 1}, 1},
        {{500, 256 * MI, 0, 0}, 0},     {{-1, -1, -1, -1}, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(slots_on(&CASES[i].room, &SHAPE), CASES[i].slots);
        assert_int_equal(slots_fit(&CASES[i].room, &SHAPE), CASES[i].slots > 0);
    }
}

static void disk_counts_when_asked_for(void **state)
{
    struct kube_resources room = {10000, 10000 * MI, 10 * MI, 100};
    struct kube_resources shape = {1, 1, 3 * MI, 1};

    (void)state;
    assert_int_equal(slots_on(&room, &shape), 3);
    room.ephemeral_bytes = 0;
    assert_int_equal(slots_on(&room, &shape), 0);
    assert_false(slots_fit(&room, &shape));
}

static void a_shape_that_asks_for_nothing(void **state)
{
    struct kube_resources nothing = {0};
    struct kube_resources room = {0, 0, 0, 7};

    (void)state;
    assert_int_equal(slots_on(&room, &nothing), 7);
    room.pods = INT64_MAX;
    assert_int_equal(slots_on(&room, &nothing), INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scarcest_counts),
        cmocka_unit_test(disk_counts_when_asked_for),
        cmocka_unit_test(a_shape_that_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
