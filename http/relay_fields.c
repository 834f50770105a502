#include "http/relay_fields.h"

#include "http/problem.h"

/* Asked for every field of every message: most differ in length from all of these. */
static bool is(struct slice name, const char *text)
{
    return strncasecmp(name.at, text, name.len) == 0;
}

/* About one connection, not about the message (RFC 9110 §7.6.1); framing is made anew on each side.
 */
static bool is_hop_by_hop(struct slice name)
{
    switch (name.len) {
    case 2:
        return is(name, "TE");
    case 7:
        return is(name, "Trailer") || is(name, "Upgrade");
    case 10:
        return is(name, "Connection") || is(name, "Keep-Alive");
    case 14:
        return is(name, "Content-Length");
    case 16:
        return is(name, "Proxy-Connection");
    case 17:
        return is(name, "Transfer-Encoding");
    case 18:
        return is(name, "Proxy-Authenticate");
    case 19:
        return is(name, "Proxy-Authorization");
    default:
        return false;
    }
}

/* Said to us, or by us. */
static bool stays_out(struct slice name)
{
    switch (name.len) {
    case 4:
        return is(name, "Host");
    case 6:
        return is(name, "Expect");
    case 9:
        return is(name, "X-API-Key");
    case 13:
        return is(name, "Authorization");
    case sizeof(PROBLEM_INSTANCE_FIELD) - 1:
        return is(name, PROBLEM_INSTANCE_FIELD);
    default:
        return false;
    }
}

static bool stays_in(struct slice name)
{
    switch (name.len) {
    case 4:
        return is(name, "Date");
    case 6:
        return is(name, "Server");
    case 10:
        return is(name, "Set-Cookie");
    default:
        return false;
    }
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

static bool passes(const struct http_header *all, unsigned count, struct slice name)
{
    bool orders =
        name.len > 8 && (*name.at | 0x20) == 'x' && strncasecmp(name.at, "X-Accel-", 8) == 0;
    return !orders && !is_hop_by_hop(name) && !is_named(all, count, name);
}

bool relay_field_goes_in(const struct http_header *all, unsigned count, struct slice name)
{
    return !stays_out(name) && passes(all, count, name);
}

bool relay_field_comes_out(const struct http_header *all, unsigned count, struct slice name)
{
    return !stays_in(name) && passes(all, count, name);
}
