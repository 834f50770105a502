#include "http/relay_fields.h"

#include "base/cc.h"

/* About one connection, not about the message (RFC 9110 §7.6.1); framing is made anew on each side.
 */
static const char *const HOP_BY_HOP[] = {
    "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
    "TE",         "Trailer",    "Upgrade",          "Content-Length",     "Transfer-Encoding",
};
static const char *const NOT_IN[] = {"Host", "Authorization", "X-API-Key", "Expect"};
static const char *const NOT_OUT[] = {"Set-Cookie", "Server", "Date"};

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static bool is_token_of(struct slice list, struct slice name)
{
    for (size_t at = 0; at + name.len <= list.len; at++) {
        bool begins = at == 0 || strchr(", \t", list.at[at - 1]) != NULL;
        size_t behind = at + name.len;
        bool ends = behind == list.len || strchr(", \t", list.at[behind]) != NULL;
        if (begins && ends && strncasecmp(list.at + at, name.at, name.len) == 0)
            return true;
    }
    return false;
}

/* Named in a Connection field, so meant for the next hop only. */
static bool is_named(const struct http_header *all, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++) {
        if (slice_eq_nocase(all[i].name, "Connection") && is_token_of(all[i].value, name))
            return true;
    }
    return false;
}

static bool passes(const struct http_header *all, unsigned count, struct slice name,
                   const char *const *but, size_t but_count)
{
    if (name.len > 8 && strncasecmp(name.at, "X-Accel-", 8) == 0)
        return false;
    return !is_one_of(name, HOP_BY_HOP, ARRAY_LEN(HOP_BY_HOP)) &&
           !is_one_of(name, but, but_count) && !is_named(all, count, name);
}

bool relay_field_goes_in(const struct http_header *all, unsigned count, struct slice name)
{
    return passes(all, count, name, NOT_IN, ARRAY_LEN(NOT_IN));
}

bool relay_field_comes_out(const struct http_header *all, unsigned count, struct slice name)
{
    return passes(all, count, name, NOT_OUT, ARRAY_LEN(NOT_OUT));
}
