/* json_members.h - the outermost members of a JSON object, without parsing what is inside: bodies
 * of a megabyte in about a millisecond, nothing copied; more than 100 members are none of ours.
 * Pure.
 *
 * It finds members of bodies that are right; what is wrong inside a value is left to the one who
 * parses it. */
#pragma once
#include "base/cc.h"
#include "base/slice.h"

struct json_members {
    const char *at, *end;
    bool begun, bad;
    unsigned count;
};

struct json_member {
    struct slice key;   /* between the quotes, as written: escapes are not resolved */
    struct slice value; /* as written */
};

void json_members_init(struct json_members *it, struct slice object);
/* False at the end, and where the text is no object (then it->bad). */
bool json_members_next(struct json_members *it, struct json_member *out);
/* The text of a string member, resolved, into `out`. False when absent, no string, or longer. */
bool json_members_text(struct slice object, const char *key, char *out, size_t out_size);
bool json_member_is(const struct json_member *m, const char *key);
