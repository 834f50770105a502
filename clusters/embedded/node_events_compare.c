/* What a change of a pod's object tells: the pure part of node_events.h. */
#include "base/json.h"
#include "clusters/embedded/node_events.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct compare {
    const struct json_t *before, *now;
    node_events_f *fn;
    void *user;
};

static PRINTF_LIKE(4, 5) void tell(const struct compare *c, const char *reason,
                                   struct node_event event, const char *fmt, ...)
{
    va_list args;

    event.reason = reason;
    va_start(args, fmt);
    vsnprintf(event.message, sizeof event.message, fmt, args);
    va_end(args);
    c->fn(&event, c->user);
}

static const struct json_t *condition(const struct json_t *pod, const char *type)
{
    const struct json_t *list = json_at(pod, "status", "conditions", NULL);

    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_get_text(json_item(list, i), "type", ""), type) == 0)
            return json_item(list, i);
    return NULL;
}

static void compare_placing(const struct compare *c, const char *node_name)
{
    const struct json_t *was = condition(c->before, "PodScheduled");
    const struct json_t *is = condition(c->now, "PodScheduled");
    const struct json_t *meta = json_get(c->now, "metadata");
    const char *why = json_get_text(is, "message", "");
    bool bound = strcmp(json_get_text(is, "status", ""), "True") == 0;

    if (bound && strcmp(json_get_text(was, "status", ""), "True") != 0)
        tell(c, "Scheduled", (struct node_event){.scheduler = true},
             "Successfully assigned %.63s/%.253s to %.253s", json_get_text(meta, "namespace", ""),
             json_get_text(meta, "name", ""), node_name);
    else if (is && !bound && strcmp(json_get_text(was, "message", ""), why) != 0)
        tell(c, "FailedScheduling", (struct node_event){.scheduler = true, .warning = true},
             "%.600s", why);
}

static const struct json_t *state_of(const struct json_t *pod, const char *list, const char *name)
{
    const struct json_t *statuses = json_at(pod, "status", list, NULL);

    for (size_t i = 0; i < json_count(statuses); i++)
        if (strcmp(json_get_text(json_item(statuses, i), "name", ""), name) == 0)
            return json_get(json_item(statuses, i), "state");
    return NULL;
}

static void compare_container(const struct compare *c, const struct json_t *status, bool init)
{
    const char *list = init ? "initContainerStatuses" : "containerStatuses";
    const char *name = json_get_text(status, "name", "");
    const struct json_t *was = state_of(c->before, list, name);
    const struct json_t *ended = json_at(status, "state", "terminated", NULL);
    bool runs = json_at(status, "state", "running", NULL) != NULL;
    struct node_event event = {.field = ""};

    snprintf(event.field, sizeof event.field, "spec.%s{%.63s}",
             init ? "initContainers" : "containers", name);
    if (runs && !json_get(was, "running")) {
        tell(c, "Pulled", event, "Container image \"%.300s\" already present on machine",
             json_get_text(status, "image", ""));
        tell(c, "Created", event, "Container created");
        tell(c, "Started", event, "Container started");
    } else if (ended && !json_get(was, "terminated") &&
               strcmp(json_get_text(ended, "reason", ""), "StartError") == 0) {
        event.warning = true;
        tell(c, "Failed", event, "Error: %.500s", json_get_text(ended, "message", ""));
    }
}

static void compare_containers(const struct compare *c)
{
    for (int init = 1; init >= 0; init--) {
        const struct json_t *list =
            json_at(c->now, "status", init ? "initContainerStatuses" : "containerStatuses", NULL);

        for (size_t i = 0; i < json_count(list); i++)
            compare_container(c, json_item(list, i), init);
    }
}

/* Once deletion is asked for, each container that runs is told to stop. */
static void compare_stopping(const struct compare *c)
{
    const struct json_t *list = json_at(c->now, "status", "containerStatuses", NULL);

    if (!json_at(c->now, "metadata", "deletionTimestamp", NULL) ||
        json_at(c->before, "metadata", "deletionTimestamp", NULL))
        return;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *name = json_get_text(json_item(list, i), "name", "");
        struct node_event event = {.field = ""};

        if (!json_at(json_item(list, i), "state", "running", NULL))
            continue;
        snprintf(event.field, sizeof event.field, "spec.containers{%.63s}", name);
        tell(c, "Killing", event, "Stopping container %.63s", name);
    }
}

static void compare_deadline(const struct compare *c)
{
    static const char *const reason = "DeadlineExceeded";
    const struct json_t *was = json_get(c->before, "status"), *is = json_get(c->now, "status");

    if (strcmp(json_get_text(is, "reason", ""), reason) == 0 &&
        strcmp(json_get_text(was, "reason", ""), reason) != 0)
        tell(c, reason, (struct node_event){.field = ""}, "%.500s",
             json_get_text(is, "message", ""));
}

void node_events_compare(const struct json_t *before, const struct json_t *now,
                         const char *node_name, node_events_f *fn, void *user)
{
    const struct compare c = {before, now, fn, user};

    compare_placing(&c, node_name);
    compare_containers(&c);
    compare_deadline(&c);
    compare_stopping(&c);
}
