#include "http/relay_fields.h"

#include "base/cc.h"
#include "http/problem.h"

/* About one connection, not about the message (RFC 9110 §7.6.1); framing is made anew on each side.
 */
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct slice HOP_BY_HOP[] = {
    NAME("Connection"),
    NAME("Keep-Alive"),
    NAME("Proxy-Connection"),
    NAME("Proxy-Authenticate"),
    NAME("Proxy-Authorization"),
    NAME("TE"),
    NAME("Trailer"),
    NAME("Upgrade"),
    NAME("Content-Length"),
    NAME("Transfer-Encoding"),
};
static const struct slice NOT_IN[] = {NAME("Host"), NAME("Authorization"), NAME("X-API-Key"),
                                      NAME("Expect"), NAME(PROBLEM_INSTANCE_FIELD)};
static const struct slice NOT_OUT[] = {NAME("Set-Cookie"), NAME("Server"), NAME("Date")};

/* Asked for every field of every message: most names differ in length already. */
static bool is_one_of(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (name.len == names[i].len && strncasecmp(name.at, names[i].at, name.len) == 0)
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
                   const struct slice *but, size_t but_count)
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
