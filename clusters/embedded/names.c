#include "clusters/embedded/names.h"
#include <stddef.h>
#include <string.h>

/* Locale-free, unlike ctype.h. */
static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_label(const char *at, size_t len)
{
    if (len < 1 || len > 63 || !is_lower_alnum(at[0]) || !is_lower_alnum(at[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_alnum(at[i]) && at[i] != '-')
            return false;
    return true;
}

bool names_is_label(const char *text)
{
    return text && is_label(text, strlen(text));
}

static bool is_subdomain(const char *at, size_t len)
{
    if (len < 1 || len > 253)
        return false;
    for (const char *end = at + len;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t part = (size_t)((dot ? dot : end) - at);

        if (!is_label(at, part))
            return false;
        if (!dot)
            return true;
        at = dot + 1;
    }
}

bool names_is_subdomain(const char *text)
{
    return text && is_subdomain(text, strlen(text));
}

static bool is_value(const char *at, size_t len)
{
    if (len < 1 || len > 63 || !is_alnum(at[0]) || !is_alnum(at[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(at[i]) && !strchr("-_.", at[i]))
            return false;
    return true;
}

bool names_is_label_value(const char *text)
{
    return text && (*text == '\0' || is_value(text, strlen(text)));
}

bool names_is_qualified(const char *text)
{
    const char *slash = text ? strchr(text, '/') : NULL;

    if (!text)
        return false;
    if (!slash)
        return is_value(text, strlen(text));
    return is_subdomain(text, (size_t)(slash - text)) && is_value(slash + 1, strlen(slash + 1));
}

bool names_is_env(const char *text)
{
    if (!text || !*text || (*text >= '0' && *text <= '9') || strlen(text) > 253)
        return false;
    for (const char *p = text; *p; p++)
        if (!is_alnum(*p) && !strchr("-_.", *p))
            return false;
    return true;
}

void names_make_printable(char *text)
{
    for (char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
}
