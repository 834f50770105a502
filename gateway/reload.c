#include "gateway/reload.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/auth.h"
#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Read where they are used. What is not here was given to a part when that was made. */
const char *const RELOAD_KEYS[] = {
    "log_level",          "auth.keys_file",       "drain",
    "limits.execution",   "limits.execution_max", "limits.session",
    "limits.session_max", "limits.idle",          "limits.linger",
    "limits.ready_wait",  "limits.start",         "limits.wait_max",
    "limits.output",      "limits.code",          "limits.upload",
    "limits.create_body", "limits.executions",    "limits.sessions_per_tenant",
    "limits.sessions",    "limits.cpu_max",       "limits.memory_max",
    "limits.disk_max",
};
const size_t RELOAD_KEY_COUNT = ARRAY_LEN(RELOAD_KEYS);

/* A set of keys that was replaced: requests that are open hold names of tenants. */
struct old_auth {
    struct old_auth *next;
    struct auth *auth;
};

struct reload {
    struct gateway *g;
    int argc;
    char **argv;
    struct config *texts; /* what the texts taken over point into */
    struct old_auth *old;
};

static bool is_live(const char *name)
{
    for (size_t i = 0; i < RELOAD_KEY_COUNT; i++) {
        if (strcmp(RELOAD_KEYS[i], name) == 0)
            return true;
    }
    return false;
}

static size_t size_of(const struct config_key *k)
{
    switch (k->type) {
    case CONFIG_TEXT:
        return sizeof(const char *);
    case CONFIG_BOOL:
        return sizeof(bool);
    case CONFIG_INT:
    case CONFIG_DURATION_MS:
    case CONFIG_BYTES:
    case CONFIG_MILLICPU:
        return sizeof(int64_t);
    default:
        return 0; /* lists and maps are not compared: none of them can be taken over */
    }
}

static bool is_same(const struct config_key *k, const struct gateway_config *a,
                    const struct gateway_config *b)
{
    const char *left = (const char *)a + k->offset, *right = (const char *)b + k->offset;
    if (k->type == CONFIG_TEXT)
        return strcmp(*(const char *const *)(const void *)left,
                      *(const char *const *)(const void *)right) == 0;
    return memcmp(left, right, size_of(k)) == 0;
}

static int read_keys(struct reload *r, const struct gateway_config *fresh, struct err *err)
{
    struct gateway *g = r->g;
    if (g->conf.auth != GATEWAY_AUTH_KEYS || fresh->auth != GATEWAY_AUTH_KEYS)
        return 0; /* auth.mode is not taken over */
    struct auth *keys = auth_read(fresh->auth_keys_file, err);
    if (!keys)
        return -ERR_CONFIG;
    struct old_auth *old = mem_alloc(sizeof(*old));
    *old = (struct old_auth){r->old, g->auth};
    r->old = old;
    g->auth = keys;
    return 0;
}

static int take_over(struct reload *r, const struct gateway_config *fresh)
{
    int changed = 0;
    for (size_t i = 0; i < GATEWAY_CONFIG_KEY_COUNT; i++) {
        const struct config_key *k = &GATEWAY_CONFIG_KEYS[i];
        bool live = is_live(k->name), same = is_same(k, &r->g->conf, fresh);
        if (!same && !live)
            LOG(LOG_WARN, "needs_restart", KV("key", k->name));
        if (!same && live)
            changed++;
        if (live) /* a text that is the same too: the old one goes */
            memcpy((char *)&r->g->conf + k->offset, (const char *)fresh + k->offset, size_of(k));
    }
    return changed;
}

void reload_now(struct reload *r)
{
    struct gateway_config fresh = {0};
    struct err err;
    enum log_level level = LOG_INFO;
    struct config *texts = gateway_config_read(r->argc, r->argv, &fresh, &err);
    if (!texts || read_keys(r, &fresh, &err) < 0) {
        LOG(LOG_ERROR, "reload_refused", KV("error", (const char *)err.msg));
        config_free(&texts);
        return;
    }
    int changed = take_over(r, &fresh);
    config_free(&r->texts);
    r->texts = texts;
    if (log_level_from_text(r->g->conf.log_level, &level))
        log_set_level(level);
    LOG(LOG_INFO, "reloaded", KV("changed", changed));
}

static void on_signal(void *user)
{
    reload_now(user);
}

struct reload *reload_new(struct gateway *g, int argc, char **argv)
{
    struct reload *r = mem_alloc(sizeof(*r));
    *r = (struct reload){.g = g, .argc = argc, .argv = argv};
    loop_on_signal(g->loop, SIGHUP, on_signal, r);
    return r;
}

void reload_free(struct reload **r)
{
    if (!*r)
        return;
    while ((*r)->old) {
        struct old_auth *next = (*r)->old->next;
        auth_free(&(*r)->old->auth);
        free((*r)->old);
        (*r)->old = next;
    }
    config_free(&(*r)->texts);
    free(*r);
    *r = NULL;
}
