/* log.h - one line an event on standard error: time, level, event name, key=value (logfmt, values
 * quoted when needed). Library code returns errors and does not log. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_kind { LOG_KV_TEXT, LOG_KV_INT, LOG_KV_BOOL, LOG_KV_SLICE };

struct log_kv {
    const char *key;
    enum log_kind kind;
    union {
        const char *text;
        int64_t number;
        bool truth;
        struct slice slice;
    } as;
};

void log_set_level(enum log_level least);
bool log_level_from_text(const char *text, enum log_level *out);
void log_set_program(const char *name); /* borrowed: a literal */
void log_event(enum log_level level, const char *event, const struct log_kv *kv, int count);

struct log_kv log_kv_text(const char *k, const char *v);
struct log_kv log_kv_int(const char *k, int64_t v);
struct log_kv log_kv_bool(const char *k, bool v);
struct log_kv log_kv_slice(const char *k, struct slice v);

/* LOG(LOG_INFO, "pod_created", KV("session", id), KV("wait_ms", ms)); */
#define KV(k, v)                                                                                   \
    _Generic((v),                                                                                  \
             char *: log_kv_text,                                                                  \
             const char *: log_kv_text,                                                            \
             bool: log_kv_bool,                                                                    \
             struct slice: log_kv_slice,                                                           \
             default: log_kv_int)(k, v)
#define LOG(level, event, ...)                                                                     \
    log_event(level, event, (const struct log_kv[]){{0}, ##__VA_ARGS__} + 1,                       \
              (int)(sizeof((const struct log_kv[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_kv)) - \
                  1)
