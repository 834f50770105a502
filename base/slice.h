/* slice.h - a borrowed run of bytes: pointer and length, not terminated, never freed through it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *at;
    size_t len;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static inline bool slice_eq_nocase(struct slice s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static inline bool slice_starts_with(struct slice s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && memcmp(s.at, text, len) == 0;
}

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) (int)(s).len, (s).at
