#include "base/log.h"

#include "base/cc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024

/* A line on the stack: logging must work when nothing else does. What does not fit is cut and said
 * so. */
struct line {
    char bytes[LINE_MAX_BYTES];
    size_t len;
};

static const char CUT[] = " cut=true\n";
static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
static enum log_level least_level = LOG_INFO;
static const char *program = "spillway";

void log_set_level(enum log_level least)
{
    least_level = least;
}

bool log_level_from_text(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (strcmp(text, LEVELS[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_program(const char *name)
{
    program = name;
}

static void put(struct line *l, const char *bytes, size_t len)
{
    size_t room = sizeof(l->bytes) - sizeof(CUT) - l->len;
    if (len > room)
        len = room;
    memcpy(l->bytes + l->len, bytes, len);
    l->len += len;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static bool is_full(const struct line *l)
{
    return l->len == sizeof(l->bytes) - sizeof(CUT);
}

static bool needs_quotes(struct slice v)
{
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.at[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return v.len == 0;
}

/* Control characters never reach the terminal or forge a second line. */
static void put_quoted(struct line *l, struct slice v)
{
    put_text(l, "\"");
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.at[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof(escaped), "\\%c", c);
        else if (c == '\n')
            snprintf(escaped, sizeof(escaped), "\\n");
        else if (c < ' ' || c == 0x7f)
            snprintf(escaped, sizeof(escaped), "\\x%02x", c);
        else
            snprintf(escaped, sizeof(escaped), "%c", c);
        put_text(l, escaped);
    }
    put_text(l, "\"");
}

static void put_value(struct line *l, struct slice v)
{
    bool cut = v.len > VALUE_MAX_BYTES;
    if (cut)
        v.len = VALUE_MAX_BYTES;
    if (needs_quotes(v))
        put_quoted(l, v);
    else
        put(l, v.at, v.len);
    if (cut)
        put_text(l, "...");
}

static void put_kv(struct line *l, const struct log_kv *kv)
{
    char number[24];
    put_text(l, " ");
    put_text(l, kv->key);
    put_text(l, "=");
    switch (kv->kind) {
    case LOG_KV_TEXT:
        put_value(l, slice_of(kv->as.text ? kv->as.text : "-"));
        break;
    case LOG_KV_INT:
        snprintf(number, sizeof(number), "%lld", (long long)kv->as.number);
        put_text(l, number);
        break;
    case LOG_KV_BOOL:
        put_text(l, kv->as.truth ? "true" : "false");
        break;
    case LOG_KV_SLICE:
        put_value(l, kv->as.slice);
        break;
    }
}

static void put_time(struct line *l)
{
    struct timespec now;
    struct tm utc;
    char text[32], whole[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole, sizeof(whole), "time=%s.%03ldZ", text, now.tv_nsec / 1000000);
    put_text(l, whole);
}

void log_event(enum log_level level, const char *event, const struct log_kv *kv, int count)
{
    if (level < least_level)
        return;
    struct line l = {.len = 0};
    put_time(&l);
    put_text(&l, " level=");
    put_text(&l, LEVELS[level]);
    put_text(&l, " program=");
    put_text(&l, program);
    put_text(&l, " event=");
    put_text(&l, event);
    for (int i = 0; i < count; i++)
        put_kv(&l, &kv[i]);
    const char *end = is_full(&l) ? CUT : "\n";
    memcpy(l.bytes + l.len, end, strlen(end));
    l.len += strlen(end);
    /* One write a line, so that the lines of several processes do not mix. A log that nobody takes
     * is lost. */
    ssize_t written = write(STDERR_FILENO, l.bytes, l.len);
    (void)written;
}

struct log_kv log_kv_text(const char *k, const char *v)
{
    return (struct log_kv){.key = k, .kind = LOG_KV_TEXT, .as.text = v};
}

struct log_kv log_kv_int(const char *k, int64_t v)
{
    return (struct log_kv){.key = k, .kind = LOG_KV_INT, .as.number = v};
}

struct log_kv log_kv_bool(const char *k, bool v)
{
    return (struct log_kv){.key = k, .kind = LOG_KV_BOOL, .as.truth = v};
}

struct log_kv log_kv_slice(const char *k, struct slice v)
{
    return (struct log_kv){.key = k, .kind = LOG_KV_SLICE, .as.slice = v};
}
