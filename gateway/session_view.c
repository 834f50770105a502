#include "gateway/session_view.h"

#include "base/json.h"
#include "clusters/kube_object.h"
#include "gateway/session.h"

#include <stdio.h>

static void set_time(struct json_t *j, const char *key, int64_t wall_ms)
{
    char text[32];
    if (wall_ms > 0)
        kube_time_print(wall_ms, text);
    json_set_text(j, key, wall_ms > 0 ? text : NULL);
}

static void set_or_null(struct json_t *j, const char *key, const char *text)
{
    json_set_text(j, key, text && *text ? text : NULL);
}

static void set_installing(struct json_t *j, const char *line)
{
    char text[SESSION_MESSAGE_SIZE + 32];
    snprintf(text, sizeof(text), "installing packages: %s", line);
    json_set_text(j, "message", text);
}

/* While it lives, what troubles its pod is said too, and what it installs, so that a client that
 * waits learns why. */
static void set_reason(struct json_t *j, const struct session *s)
{
    bool over = session_is_over(s) || session_state(s) == SESSION_STOPPING;
    set_or_null(j, "reason", over ? s->reason : s->pod_trouble);
    if (over || !s->activity.setting_up)
        set_or_null(j, "message", over ? s->message : (*s->pod_trouble ? s->pod_message : NULL));
    else
        set_installing(j, s->activity.setup ? s->activity.setup : "");
}

static struct json_t *pod_of(const struct session *s)
{
    struct json_t *pod = json_new_object();
    set_or_null(pod, "name", s->pod_name);
    set_or_null(pod, "namespace", s->namespace_name);
    set_or_null(pod, "node", s->node_name);
    return pod;
}

struct json_t *session_view(const struct session *s, const char *site)
{
    if (session_is_remote(s) && s->view)
        return json_copy(s->view);
    struct json_t *j = json_new_object();
    json_set_text(j, "session_id", s->id);
    json_set_text(j, "status", session_state_word(session_state(s)));
    set_reason(j, s);
    json_set_text(j, "environment", s->spec.environment);
    json_set_text(j, "site", session_is_remote(s) ? s->site : site);
    json_set(j, "placement",
             json_build("{s:s,s:s}", "kind",
                        *s->spec.origin || session_is_remote(s) ? "remote" : "local", "reason",
                        s->spec.placement_reason));
    json_set(j, "pod", pod_of(s));
    json_set_text(j, "cleanup", session_cleanup_name(s->spec.cleanup));
    set_time(j, "created_at", s->created_wall_ms);
    set_time(j, "ready_at", session_is_started(s) ? s->ready_wall_ms : 0);
    set_time(j, "expires_at", s->deadline_wall_ms);
    set_time(j, "ended_at", s->ended_wall_ms);
    set_time(j, "last_activity_at", s->activity_wall_ms ? s->activity_wall_ms : s->created_wall_ms);
    set_or_null(j, "last_execution", s->last_execution);
    json_set(j, "resources", session_spec_resources(&s->spec));
    set_or_null(j, "runtime_class", s->spec.runtime_class);
    json_set(j, "metadata", s->spec.metadata ? json_ref(s->spec.metadata) : json_new_object());
    return j;
}
