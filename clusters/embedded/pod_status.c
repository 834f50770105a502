#include "clusters/embedded/pod_status.h"
#include "base/json.h"
#include "clusters/embedded/container_check.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

void pod_status_time(int64_t wall_ms, char out[32])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

const char *pod_status_phase(const struct json_t *pod)
{
    return json_get_text(json_get(pod, "status"), "phase", "Pending");
}

static bool bounded_alike(const struct json_t *container, const char *key, bool milli, bool *any)
{
    int64_t limit = 0, request = 0;
    bool has_limit = container_check_quantity(json_at(container, "resources", "limits", key, NULL),
                                              milli, &limit);
    bool has_request = container_check_quantity(
        json_at(container, "resources", "requests", key, NULL), milli, &request);

    *any = *any || (has_limit && limit) || (has_request && request);
    return has_limit && limit > 0 && limit == request;
}

const char *pod_status_qos(const struct json_t *pod)
{
    bool any = false, guaranteed = true;

    for (int init = 0; init < 2; init++) {
        const struct json_t *list =
            json_at(pod, "spec", init ? "initContainers" : "containers", NULL);

        for (size_t i = 0; i < json_count(list); i++) {
            bool cpu = bounded_alike(json_item(list, i), "cpu", true, &any);
            bool memory = bounded_alike(json_item(list, i), "memory", false, &any);

            guaranteed = guaranteed && cpu && memory;
        }
    }
    return guaranteed ? "Guaranteed" : any ? "Burstable" : "BestEffort";
}

static const struct json_t *old_condition(const struct json_t *pod, const char *type)
{
    const struct json_t *list = json_at(pod, "status", "conditions", NULL);

    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_get_text(json_item(list, i), "type", ""), type) == 0)
            return json_item(list, i);
    return NULL;
}

static void add_condition(struct json_t *list, const struct json_t *pod, const char *type,
                          bool truth, const char *reason, const char *message, int64_t wall_ms)
{
    const struct json_t *old = old_condition(pod, type);
    const char *status = truth ? "True" : "False";
    const char *since = json_get_text(old, "lastTransitionTime", NULL);
    struct json_t *c =
        json_build("{s:s, s:s, s:n}", "type", type, "status", status, "lastProbeTime");
    char now[32];

    pod_status_time(wall_ms, now);
    if (!since || strcmp(json_get_text(old, "status", ""), status) != 0)
        since = now;
    json_set_text(c, "lastTransitionTime", since);
    if (reason)
        json_set_text(c, "reason", reason);
    if (message)
        json_set_text(c, "message", message);
    json_add(list, c);
}

static bool is_terminal(const struct pod_status *s)
{
    return strcmp(s->phase, "Succeeded") == 0 || strcmp(s->phase, "Failed") == 0;
}

static struct json_t *conditions(const struct json_t *pod, const struct pod_status *s,
                                 int64_t wall_ms)
{
    struct json_t *list = json_new_array();
    const char *over = strcmp(s->phase, "Succeeded") == 0 ? "PodCompleted"
                       : is_terminal(s)                   ? "PodFailed"
                                                          : NULL;
    const char *unready = s->ready ? NULL : over ? over : "ContainersNotReady";

    if (s->scheduled) {
        add_condition(list, pod, "Initialized", s->initialized,
                      s->initialized ? NULL : "ContainersNotInitialized", NULL, wall_ms);
        add_condition(list, pod, "Ready", s->ready, unready, NULL, wall_ms);
        add_condition(list, pod, "ContainersReady", s->ready, unready, NULL, wall_ms);
    }
    if (s->scheduled || s->unschedulable)
        add_condition(list, pod, "PodScheduled", s->scheduled,
                      s->scheduled ? NULL : "Unschedulable", s->unschedulable, wall_ms);
    return list;
}

static struct json_t *state_of(const struct pod_status_container *c)
{
    struct json_t *inner = json_new_object();
    const char *name = c->run == POD_RUN_WAITING   ? "waiting"
                       : c->run == POD_RUN_RUNNING ? "running"
                                                   : "terminated";
    struct json_t *state = json_new_object();
    char time[32];

    if (c->run != POD_RUN_WAITING) {
        pod_status_time(c->started_wall_ms, time);
        json_set_text(inner, "startedAt", time);
    }
    if (c->run == POD_RUN_ENDED) {
        pod_status_time(c->ended_wall_ms, time);
        json_set_text(inner, "finishedAt", time);
        json_set_int(inner, "exitCode", c->exit_code);
        if (c->signal)
            json_set_int(inner, "signal", c->signal);
    }
    if (c->run != POD_RUN_RUNNING && c->reason)
        json_set_text(inner, "reason", c->reason);
    if (c->run != POD_RUN_RUNNING && *c->message)
        json_set_text(inner, "message", c->message);
    json_set(state, name, inner);
    return state;
}

static struct json_t *container_status(const struct json_t *pod, const struct json_t *container,
                                       const struct pod_status_container *c, bool ready)
{
    struct json_t *j = json_build(
        "{s:s, s:s, s:s, s:i, s:b, s:b, s:{}}", "name", json_get_text(container, "name", ""),
        "image", json_get_text(container, "image", ""), "imageID", "", "restartCount", 0, "ready",
        ready, "started", c->run == POD_RUN_RUNNING, "lastState");
    char id[120];

    if (c->run != POD_RUN_WAITING) {
        snprintf(id, sizeof id, "crun://%.90s",
                 json_get_text(json_get(pod, "metadata"), "uid", ""));
        json_set_text(j, "containerID", id);
    }
    json_set(j, "state", state_of(c));
    return j;
}

static struct json_t *container_statuses(const struct json_t *pod, const struct pod_status *s,
                                         bool init)
{
    const struct json_t *list = json_at(pod, "spec", init ? "initContainers" : "containers", NULL);
    struct json_t *out = json_new_array();

    for (size_t i = 0; i < json_count(list); i++) {
        const struct pod_status_container *c = &s->containers[i + (init ? 0 : s->init_count)];
        bool ready = init ? c->run == POD_RUN_ENDED && c->exit_code == 0 : s->ready;

        json_add(out, container_status(pod, json_item(list, i), c, ready));
    }
    return out;
}

void pod_status_write(struct json_t *pod, const struct pod_status *s, int64_t wall_ms)
{
    struct json_t *status =
        json_build("{s:s, s:s}", "phase", s->phase, "qosClass", pod_status_qos(pod));
    char time[32];

    json_set(status, "conditions", conditions(pod, s, wall_ms));
    if (s->reason)
        json_set_text(status, "reason", s->reason);
    if (s->message)
        json_set_text(status, "message", s->message);
    if (s->scheduled) {
        json_set_text(status, "hostIP", s->host_ip);
        if (s->init_count)
            json_set(status, "initContainerStatuses", container_statuses(pod, s, true));
        json_set(status, "containerStatuses", container_statuses(pod, s, false));
    }
    if (*s->pod_ip) {
        json_set_text(status, "podIP", s->pod_ip);
        json_set(status, "podIPs", json_build("[{s:s}]", "ip", s->pod_ip));
    }
    if (s->started_wall_ms) {
        pod_status_time(s->started_wall_ms, time);
        json_set_text(status, "startTime", time);
    }
    json_set(pod, "status", status);
}
