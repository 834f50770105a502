#include "clusters/quantity.h"
#include <stdbool.h>
#include <string.h>

/* More digits than any real quantity has; 10^18 × 2^60 × 1000 is refused by the overflow checks. */
#define DIGITS_MAX 18

typedef unsigned __int128 wide;

struct number {
    wide mantissa;
    int ten;   /* × 10^ten */
    int two;   /* × 2^two */
    bool rest; /* digits beyond the mantissa were not zero */
};

struct suffix {
    const char *text;
    int ten;
    int two;
};

static const struct suffix SUFFIXES[] = {
    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"", 0, 0},    {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with at most one point. Leading zeros are free; a digit too many is an error before the
 * point and rounding after it. */
static const char *read_digits(const char *p, struct number *n)
{
    int digits = 0;
    int seen = 0;
    bool point = false;

    for (; is_digit(*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        seen++;
        if (digits == DIGITS_MAX) {
            if (!point)
                return NULL;
            n->rest |= *p != '0';
            continue;
        }
        n->mantissa *= 10;
        n->mantissa += (unsigned)(*p - '0');
        digits += n->mantissa != 0;
        n->ten -= point;
    }
    return seen > 0 ? p : NULL;
}

static bool read_exponent(const char *p, struct number *n)
{
    int sign = 1;
    int value = 0;

    if (*p == '+' || *p == '-')
        sign = *p++ == '-' ? -1 : 1;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++) {
        value = value * 10 + (*p - '0');
        if (value > 60)
            return false;
    }
    n->ten += sign * value;
    return *p == '\0';
}

static bool read_suffix(const char *p, struct number *n)
{
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        if (strcmp(p, SUFFIXES[i].text) == 0) {
            n->ten += SUFFIXES[i].ten;
            n->two = SUFFIXES[i].two;
            return true;
        }
    }
    return (*p == 'e' || *p == 'E') && read_exponent(p + 1, n);
}

/* Rounded up; false when it does not fit. */
static bool evaluate(const struct number *n, int64_t *out)
{
    wide value = n->mantissa;
    bool rest = n->rest;
    int ten = n->ten;

    if (__builtin_mul_overflow(value, (wide)1 << n->two, &value))
        return false;
    for (; ten > 0 && value != 0; ten--)
        if (__builtin_mul_overflow(value, (wide)10, &value))
            return false;
    for (; ten < 0 && value != 0; ten++) {
        rest |= value % 10 != 0;
        value /= 10;
    }
    value += rest;
    if (value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

static int parse(const char *text, int thousandths, int64_t *out, struct err *err)
{
    struct number n = {.ten = thousandths};
    const char *p = text;

    if (!text)
        return err_set(err, ERR_INVALID_ARGUMENT, "a quantity is missing");
    if (*p == '+')
        p++;
    p = read_digits(p, &n);
    if (!p || !read_suffix(p, &n) || !evaluate(&n, out))
        return err_set(err, ERR_INVALID_ARGUMENT, "\"%.40s\" is no resource quantity", text);
    return 0;
}

int quantity_parse_milli(const char *text, int64_t *out, struct err *err)
{
    return parse(text, 3, out, err);
}

int quantity_parse(const char *text, int64_t *out, struct err *err)
{
    return parse(text, 0, out, err);
}
