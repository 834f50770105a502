#include "gateway/session_spec.h"

#include "base/json.h"

#include <stdio.h>

void session_spec_fini(struct session_spec *s)
{
    json_free(s->metadata);
    json_free(s->packages);
    s->metadata = s->packages = NULL;
}

void session_spec_copy(struct session_spec *to, const struct session_spec *from)
{
    *to = *from;
    if (to->metadata)
        to->metadata = json_ref(to->metadata);
    if (to->packages)
        to->packages = json_ref(to->packages);
}

const char *session_cleanup_name(enum session_cleanup c)
{
    return c == SESSION_CLEANUP_IDLE ? "idle" : "completion";
}

/* Mi where it comes out even, else bytes. */
static void print_bytes(char *out, size_t size, int64_t bytes)
{
    const int64_t mi = (int64_t)1024 * 1024;
    if (bytes % mi == 0)
        snprintf(out, size, "%lldMi", (long long)(bytes / mi));
    else
        snprintf(out, size, "%lld", (long long)bytes);
}

struct json_t *session_spec_resources(const struct session_spec *s)
{
    char cpu[32], memory[32], disk[32];
    snprintf(cpu, sizeof(cpu), "%lldm", (long long)s->millicpu);
    print_bytes(memory, sizeof(memory), s->memory_bytes);
    print_bytes(disk, sizeof(disk), s->disk_bytes);
    return json_build("{s:s,s:s,s:s}", "cpu", cpu, "memory", memory, "disk", disk);
}

struct json_t *session_spec_to_json(const struct session_spec *s)
{
    struct json_t *j = json_new_object();
    json_set_text(j, "environment", s->environment);
    json_set_text(j, "cleanup", session_cleanup_name(s->cleanup));
    json_set_int(j, "timeout_seconds", s->timeout_ms / 1000);
    json_set_int(j, "idle_timeout_seconds", s->idle_ms / 1000);
    json_set(j, "resources",
             json_build("{s:I,s:I,s:I}", "millicpu", s->millicpu, "memory_bytes", s->memory_bytes,
                        "disk_bytes", s->disk_bytes));
    json_set_text(j, "runtime_class", *s->runtime_class ? s->runtime_class : NULL);
    json_set(j, "metadata", s->metadata ? json_ref(s->metadata) : json_new_object());
    if (s->packages)
        json_set(j, "packages", json_ref(s->packages));
    json_set_text(j, "placement_reason", s->placement_reason);
    if (*s->origin)
        json_set_text(j, "origin", s->origin);
    json_set_bool(j, "has_env", s->has_env);
    json_set_bool(j, "again", s->again);
    json_set_int(j, "linger_ms", s->linger_ms);
    json_set_int(j, "created_ms", s->created_wall_ms);
    return j;
}

static void copy_text(char *out, size_t size, const struct json_t *j, const char *key)
{
    snprintf(out, size, "%s", json_get_text(j, key, ""));
}

int session_spec_from_text(struct session_spec *s, const char *text, struct err *err)
{
    struct json_t *j = json_parse_object(slice_of(text), err);
    if (!j)
        return -ERR_BAD_JSON;
    const struct json_t *resources = json_get(j, "resources");
    const struct json_t *metadata = json_get(j, "metadata");
    *s = (struct session_spec){0};
    copy_text(s->environment, sizeof(s->environment), j, "environment");
    copy_text(s->runtime_class, sizeof(s->runtime_class), j, "runtime_class");
    copy_text(s->placement_reason, sizeof(s->placement_reason), j, "placement_reason");
    copy_text(s->origin, sizeof(s->origin), j, "origin");
    s->cleanup = slice_eq(slice_of(json_get_text(j, "cleanup", "completion")), "idle")
                     ? SESSION_CLEANUP_IDLE
                     : SESSION_CLEANUP_COMPLETION;
    s->timeout_ms = json_int(json_get(j, "timeout_seconds"), 0) * 1000;
    s->idle_ms = json_int(json_get(j, "idle_timeout_seconds"), 0) * 1000;
    s->linger_ms = json_int(json_get(j, "linger_ms"), 0);
    s->created_wall_ms = json_int(json_get(j, "created_ms"), 0);
    s->millicpu = json_int(json_get(resources, "millicpu"), 0);
    s->memory_bytes = json_int(json_get(resources, "memory_bytes"), 0);
    s->disk_bytes = json_int(json_get(resources, "disk_bytes"), 0);
    s->has_env = json_true(json_get(j, "has_env"));
    s->again = json_true(json_get(j, "again"));
    if (json_is_object(metadata) && json_count(metadata) > 0)
        s->metadata = json_copy(metadata);
    if (json_is_object(json_get(j, "packages")))
        s->packages = json_copy(json_get(j, "packages"));
    json_free(j);
    return 0;
}
