#include "sandbox/file_fields.h"
#include <inttypes.h>
#include <stdio.h>

/* ---- tags ---- */

static uint64_t nanoseconds(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void file_etag(const struct stat *st, int64_t wall_ms, char out[FILE_ETAG_SIZE])
{
    bool weak = st->st_ctim.tv_sec + 1 >= wall_ms / 1000;
    snprintf(out, FILE_ETAG_SIZE, "%s\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
             weak ? "W/" : "", (uint64_t)st->st_ino, (uint64_t)st->st_size,
             nanoseconds(st->st_mtim), nanoseconds(st->st_ctim));
}

static const char *opaque(const char *etag)
{
    return etag[0] == 'W' ? etag + 2 : etag;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

bool file_etag_matches(struct slice list, const char *etag)
{
    const char *wanted = opaque(etag);
    size_t len = strlen(wanted), i = 0;
    if (slice_eq(list, "*"))
        return true;
    while (i < list.len) {
        while (i < list.len && (is_space(list.at[i]) || list.at[i] == ','))
            i++;
        if (i + 2 <= list.len && memcmp(list.at + i, "W/", 2) == 0)
            i += 2;
        if (i >= list.len || list.at[i] != '"')
            return false;
        const char *close = memchr(list.at + i + 1, '"', list.len - i - 1);
        if (!close)
            return false;
        size_t here = (size_t)(close - list.at) + 1 - i;
        if (here == len && memcmp(list.at + i, wanted, len) == 0)
            return true;
        i += here;
    }
    return false;
}

bool file_etag_is_same(struct slice value, const char *etag)
{
    return etag[0] == '"' && slice_eq(value, etag);
}

/* ---- ranges ---- */

/* Digits at the front; -1: none, or too many. */
static int64_t take_number(struct slice *s)
{
    int64_t v = 0;
    size_t n = 0;
    while (n < s->len && s->at[n] >= '0' && s->at[n] <= '9' && n < 18)
        v = v * 10 + (s->at[n++] - '0');
    if (n == 0 || (n < s->len && s->at[n] >= '0' && s->at[n] <= '9'))
        return -1;
    s->at += n;
    s->len -= n;
    return v;
}

static struct file_range last_bytes(struct slice s, int64_t size)
{
    struct file_range whole = {FILE_RANGE_WHOLE, 0, size};
    int64_t n = take_number(&s);
    if (n < 0 || s.len > 0)
        return whole;
    if (n == 0 || size == 0)
        return (struct file_range){FILE_RANGE_BEHIND_END, 0, 0};
    if (n > size)
        n = size;
    return (struct file_range){FILE_RANGE_PART, size - n, n};
}

struct file_range file_range_parse(struct slice field, int64_t size)
{
    struct file_range whole = {FILE_RANGE_WHOLE, 0, size};
    if (!field.at || field.len < 6 || strncasecmp(field.at, "bytes=", 6) != 0)
        return whole;
    struct slice s = {field.at + 6, field.len - 6};
    if (s.len > 0 && *s.at == '-')
        return last_bytes((struct slice){s.at + 1, s.len - 1}, size);
    int64_t first = take_number(&s);
    if (first < 0 || s.len == 0 || *s.at != '-')
        return whole;
    s.at++;
    s.len--;
    int64_t last = s.len > 0 ? take_number(&s) : INT64_MAX;
    if (last < first || s.len > 0)
        return whole;
    if (first >= size)
        return (struct file_range){FILE_RANGE_BEHIND_END, 0, 0};
    if (last >= size)
        last = size - 1;
    return (struct file_range){FILE_RANGE_PART, first, last - first + 1};
}

/* ---- the name ---- */

static bool is_attr_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$&+-.^_`|~", c));
}

void file_disposition(struct buf *out, const char *name)
{
    buf_add_text(out, "attachment; filename=\"");
    for (const char *c = name; *c; c++) {
        /* What would be read differently here and there is told by the second form only. */
        bool plain = *c >= ' ' && *c < 0x7f && !strchr("\"\\%/", *c);
        buf_add(out, plain ? c : "_", 1);
    }
    buf_add_text(out, "\"; filename*=UTF-8''");
    for (const char *c = name; *c; c++) {
        if (is_attr_char((unsigned char)*c))
            buf_add(out, c, 1);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
    }
}
