/* redis_value.h - what Redis answers, as plain data; borrowed for the time of a callback. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

enum redis_kind { REDIS_NIL, REDIS_TEXT, REDIS_NUMBER, REDIS_LIST };
struct redis_value {
    enum redis_kind kind;
    struct slice text;
    int64_t number;
    const struct redis_value *items; /* of a list */
    size_t count;
};
