/* http_query.c - parameters of a query: decoded one at a time, never silently changed. */
#include "base/hex.h"
#include "http/http_message.h"

/* The raw value of the first parameter of that name; names are compared undecoded. */
static bool find_raw(struct slice query, const char *name, struct slice *out)
{
    const char *at = query.at;
    const char *end = query.at + query.len;
    while (at < end) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        const char *stop = amp != NULL ? amp : end;
        const char *left = name;
        while (*left != '\0' && at < stop && *at == *left) {
            at++;
            left++;
        }
        if (*left == '\0' && (at == stop || *at == '=')) {
            const char *value = at + (at < stop);
            *out = (struct slice){value, (size_t)(stop - value)};
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* Length, or -1: malformed escape, an encoded NUL, or no room. */
static ptrdiff_t decode(struct slice raw, char *out, size_t out_size)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int c = (unsigned char)raw.at[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            c = i + 2 < raw.len ? hex_byte(raw.at + i + 1) : -1;
            i += 2;
            if (c <= 0)
                return -1;
        }
        if (n + 1 >= out_size)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return (ptrdiff_t)n;
}

bool http_query_get(struct slice query, const char *name, char *out, size_t out_size, int *bad)
{
    struct slice raw, second;
    *bad = 0;
    if (!find_raw(query, name, &raw))
        return false;
    const char *behind = raw.at + raw.len;
    struct slice rest = {behind, (size_t)(query.at + query.len - behind)};
    if (!find_raw(rest, name, &second) && decode(raw, out, out_size) >= 0)
        return true;
    *bad = -(int)ERR_INVALID_ARGUMENT;
    return false;
}

static bool parse_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    uint64_t v = 0;
    if (*at == '\0' || strlen(at) > 18)
        return false;
    for (; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return false;
        v = v * 10 + (uint64_t)(*at - '0');
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

int http_query_int(struct slice query, const char *name, int64_t min, int64_t max, int64_t *out,
                   struct err *err)
{
    char text[32];
    int bad;
    int64_t v;
    if (!http_query_get(query, name, text, sizeof(text), &bad) && bad == 0)
        return 0;
    if (bad < 0 || !parse_int(text, &v))
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be a whole number, and there once",
                       name);
    if (v < min)
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be at least %lld", name, (long long)min);
    if (v > max)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s is above its maximum of %lld", name,
                       (long long)max);
    *out = v;
    return 0;
}

int http_query_bool(struct slice query, const char *name, bool *out, struct err *err)
{
    char text[8];
    int bad;
    if (!http_query_get(query, name, text, sizeof(text), &bad) && bad == 0)
        return 0;
    bool yes = bad == 0 && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
    bool no = bad == 0 && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0);
    if (!yes && !no)
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be true or false, and there once", name);
    *out = yes;
    return 0;
}
