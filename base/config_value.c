/* The spellings of values: durations, sizes, CPU, numbers, truth. */
#include "base/config_value.h"

#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static int refuse(struct err *err, const char *text, const char *wanted)
{
    return err_set(err, ERR_CONFIG, "'%s' is not %s", text, wanted);
}

/* Digits only: strtoll() would also take blanks and signs. */
static int leading_digits(const char *text, int64_t *out, const char **rest)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return -1;
    errno = 0;
    *out = strtoll(text, &end, 10);
    *rest = end;
    return errno ? -1 : 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++) {
        if (strcmp(units->name, name) == 0)
            return units;
    }
    return NULL;
}

static int parse_with_unit(const char *text, const struct unit *units, int64_t *out)
{
    const char *rest;
    int64_t number, scaled;
    if (leading_digits(text, &number, &rest) < 0)
        return -1;
    const struct unit *unit = find_unit(units, rest);
    if (!unit && number == 0 && *rest == '\0') {
        *out = 0;
        return 0;
    }
    if (!unit || __builtin_mul_overflow(number, unit->factor, &scaled))
        return -1;
    *out = scaled;
    return 0;
}

int config_parse_duration_ms(const char *text, int64_t *out, struct err *err)
{
    static const struct unit UNITS[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    if (parse_with_unit(text, UNITS, out) < 0)
        return refuse(err, text, "a duration (a whole number with ms, s, m, h or d)");
    return 0;
}

int config_parse_bytes(const char *text, int64_t *out, struct err *err)
{
    static const struct unit UNITS[] = {
        {"", 1},     {"Ki", 1LL << 10}, {"Mi", 1LL << 20}, {"Gi", 1LL << 30},    {"Ti", 1LL << 40},
        {"k", 1000}, {"M", 1000000},    {"G", 1000000000}, {"T", 1000000000000}, {NULL, 0},
    };
    if (parse_with_unit(text, UNITS, out) < 0)
        return refuse(err, text, "a size (a whole number of bytes, or with Ki, Mi, Gi, Ti)");
    return 0;
}

/* "0.25" has at most three digits behind the point: thousandths are the unit. */
static int parse_cpus(const char *text, int64_t *out)
{
    const char *rest;
    int64_t whole, scaled;
    if (leading_digits(text, &whole, &rest) < 0 || __builtin_mul_overflow(whole, 1000, &scaled))
        return -1;
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits == 0 || digits > 3 || rest[1 + digits])
            return -1;
        int64_t weight = 100, thousandths = 0;
        for (size_t i = 1; i <= digits; i++, weight /= 10)
            thousandths += (rest[i] - '0') * weight;
        if (__builtin_add_overflow(scaled, thousandths, &scaled))
            return -1;
    } else if (*rest) {
        return -1;
    }
    *out = scaled;
    return 0;
}

int config_parse_millicpu(const char *text, int64_t *out, struct err *err)
{
    static const struct unit UNITS[] = {{"m", 1}, {NULL, 0}};
    if (parse_with_unit(text, UNITS, out) < 0 && parse_cpus(text, out) < 0)
        return refuse(err, text, "an amount of CPU (\"500m\", \"2\" or \"0.5\")");
    return 0;
}

int config_parse_int(const char *text, int64_t *out, struct err *err)
{
    const char *rest;
    int64_t number;
    bool negative = *text == '-';
    if (leading_digits(text + negative, &number, &rest) < 0 || *rest)
        return refuse(err, text, "a whole number");
    *out = negative ? -number : number;
    return 0;
}

int config_parse_bool(const char *text, bool *out, struct err *err)
{
    static const char *const TRUE_WORDS[] = {"true", "yes", "on", "1"};
    static const char *const FALSE_WORDS[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(TRUE_WORDS); i++) {
        if (strcmp(text, TRUE_WORDS[i]) == 0 || strcmp(text, FALSE_WORDS[i]) == 0) {
            *out = strcmp(text, TRUE_WORDS[i]) == 0;
            return 0;
        }
    }
    return refuse(err, text, "true or false");
}

void config_env_name(const char *key, char out[CONFIG_ENV_MAX])
{
    static const char PREFIX[] = "SPILLWAY_";
    size_t at = sizeof(PREFIX) - 1;
    memcpy(out, PREFIX, at);
    for (; *key; key++) {
        INVARIANT(at < CONFIG_ENV_MAX - 1);
        out[at++] = isalnum((unsigned char)*key) ? (char)toupper((unsigned char)*key) : '_';
    }
    out[at] = '\0';
}
