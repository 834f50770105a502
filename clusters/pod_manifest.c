/* Keeps to the "restricted" Pod Security Standard, and asks for what it gets: requests equal
 * limits, so that the scheduler's arithmetic and ours agree and no sandbox lives on another's
 * memory. */
#include "clusters/pod_manifest.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include <inttypes.h>
#include <stdio.h>

#define UID        1000
#define AGENT_PORT 8700 /* where the agent listens when nobody says otherwise */
#define GRACE_S    2
#define NOTE_BYTES_MAX                                                                             \
    ((size_t)256 * 1024) /* Kubernetes' limit for all annotations of an object                     \
                          */

static char *to_text(const struct json_t *j)
{
    struct buf b;

    buf_init(&b, NOTE_BYTES_MAX);
    if (j)
        json_print(j, &b);
    char *text = mem_text(buf_text(&b));
    buf_fini(&b);
    return text;
}

static void set_format(struct json_t *object, const char *key, int64_t value, const char *unit)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64 "%s", value, unit);
    json_set_text(object, key, text);
}

static struct json_t *metadata_of(const struct pod_manifest *m)
{
    char deadline[32];
    char *spec CLEANUP(mem_free_text) = to_text(m->spec);

    kube_time_print(m->deadline_wall_ms, deadline);
    struct json_t *labels = json_build("{s:s,s:s,s:s}", "spillway.dev/session", m->session_id,
                                       "app.kubernetes.io/managed-by", "spillway",
                                       "app.kubernetes.io/instance", m->site);
    struct json_t *notes = json_build("{s:s,s:s,s:s,s:s,s:s,s:s}", "spillway.dev/tenant", m->tenant,
                                      "spillway.dev/epoch", m->epoch, "spillway.dev/nonce",
                                      m->nonce, "spillway.dev/fingerprint", m->fingerprint,
                                      "spillway.dev/deadline", deadline, "spillway.dev/spec", spec);
    set_format(notes, "spillway.dev/pids", m->pids, "");
    return json_build("{s:s,s:s,s:o,s:o}", "name", m->session_id, "namespace", m->namespace_name,
                      "labels", labels, "annotations", notes);
}

/* Fast: the workspace is in the container's own layer, so the root cannot be read-only; the agent
 * makes it so for what it runs. */
static struct json_t *walls(const struct pod_manifest *m)
{
    return json_build("{s:b,s:b,s:b,s:i,s:i,s:{s:[s]},s:{s:s}}", "allowPrivilegeEscalation", 0,
                      "readOnlyRootFilesystem", !m->fast, "runAsNonRoot", 1, "runAsUser", UID,
                      "runAsGroup", UID, "capabilities", "drop", "ALL", "seccompProfile", "type",
                      "RuntimeDefault");
}

static struct json_t *resources_of(int64_t millicpu, int64_t memory_bytes, int64_t disk_bytes)
{
    struct json_t *amount = json_new_object();

    set_format(amount, "cpu", millicpu, "m");
    set_format(amount, "memory", memory_bytes, "");
    if (disk_bytes > 0)
        set_format(amount, "ephemeral-storage", disk_bytes, "");
    struct json_t *copy = json_copy(amount);
    return json_build("{s:o,s:o}", "requests", amount, "limits", copy);
}

static struct json_t *sandbox_resources(const struct pod_manifest *m)
{
    if (m->fast)
        return resources_of(m->millicpu, m->memory_bytes, m->disk_bytes);
    return resources_of(m->millicpu, m->memory_bytes + m->disk_bytes, 0);
}

static struct json_t *mount_of(const char *volume, const char *path, const char *sub_path)
{
    struct json_t *mount = json_build("{s:s,s:s}", "name", volume, "mountPath", path);

    if (sub_path)
        json_set_text(mount, "subPath", sub_path);
    return mount;
}

static int64_t port_of(const struct pod_manifest *m)
{
    return m->agent_port ? m->agent_port : AGENT_PORT;
}

static struct json_t *environment_of(const struct pod_manifest *m)
{
    char *limits CLEANUP(mem_free_text) = to_text(m->limits);
    struct json_t *env = json_build("[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s}]",               //
                                    "name", "SPILLWAY_SESSION_ID", "value", m->session_id,     //
                                    "name", "SPILLWAY_EPOCH", "value", m->epoch,               //
                                    "name", "SPILLWAY_TOKEN_SHA256", "value", m->token_sha256, //
                                    "name", "SPILLWAY_LIMITS", "value", limits);
    if (port_of(m) != AGENT_PORT) {
        char listen[32];
        snprintf(listen, sizeof(listen), "0.0.0.0:%" PRId64, port_of(m));
        json_add(env, json_build("{s:s,s:s}", "name", "SPILLWAY_AGENT_LISTEN", "value", listen));
    }
    return env;
}

static struct json_t *sandbox_of(const struct pod_manifest *m)
{
    static const char *const SCRATCH[][2] = {{"/workspace", "workspace"},
                                             {"/tmp", "tmp"},
                                             {"/dev/shm", "shm"},
                                             {"/home/sandbox", "home"}};
    struct json_t *mounts = json_new_array();

    if (m->agent_image) {
        struct json_t *agent = mount_of("agent", "/spillway", NULL);
        json_set_bool(agent, "readOnly", true);
        json_add(mounts, agent);
    }
    for (size_t i = 0; !m->fast && i < ARRAY_LEN(SCRATCH); i++)
        json_add(mounts, mount_of("scratch", SCRATCH[i][0], SCRATCH[i][1]));
    return json_build("{s:s,s:s,s:s,s:[s],s:[{s:s,s:I,s:s}],s:o,s:o,s:o,s:o}", "name", "sandbox",
                      "image", m->image, "imagePullPolicy", "IfNotPresent", "command",
                      "/spillway/agent", "ports", "name", "agent", "containerPort",
                      (long long)port_of(m), "protocol", "TCP", "env", environment_of(m),
                      "resources", sandbox_resources(m), "volumeMounts", mounts, "securityContext",
                      walls(m));
}

/* Its requests never exceed the sandbox's own, so it costs the scheduler nothing: the larger of the
 * two counts. */
static struct json_t *install_agent_of(const struct pod_manifest *m)
{
    static const int64_t MILLICPU = 100;
    static const int64_t MEMORY = (int64_t)64 * 1024 * 1024;
    int64_t sandbox_memory = m->memory_bytes + m->disk_bytes;

    return json_build("{s:s,s:s,s:s,s:[s,s,s,s],s:o,s:[o],s:o}", "name", "install-agent", "image",
                      m->agent_image, "imagePullPolicy", "IfNotPresent", "command", "cp", "-R",
                      "/spillway/.", "/agent/", "resources",
                      resources_of(m->millicpu < MILLICPU ? m->millicpu : MILLICPU,
                                   sandbox_memory < MEMORY ? sandbox_memory : MEMORY, 0),
                      "volumeMounts", mount_of("agent", "/agent", NULL), "securityContext",
                      walls(m));
}

static struct json_t *volumes_of(const struct pod_manifest *m)
{
    struct json_t *volumes = json_new_array();

    if (m->fast)
        return volumes;
    struct json_t *scratch = json_build("{s:s}", "medium", "Memory");
    set_format(scratch, "sizeLimit", m->disk_bytes, "");
    if (m->agent_image)
        json_add(volumes,
                 json_build("{s:s,s:{s:s}}", "name", "agent", "emptyDir", "sizeLimit", "64Mi"));
    json_add(volumes, json_build("{s:s,s:o}", "name", "scratch", "emptyDir", scratch));
    return volumes;
}

static struct json_t *spec_of(const struct pod_manifest *m)
{
    struct json_t *spec = json_build(
        "{s:s,s:b,s:b,s:i,s:I,s:{s:b,s:i,s:i,s:i,s:{s:s}},s:[o],s:o}", "restartPolicy", "Never",
        "automountServiceAccountToken", 0, "enableServiceLinks", 0, "terminationGracePeriodSeconds",
        GRACE_S, "activeDeadlineSeconds", (long long)m->lifetime_max_s, "securityContext",
        "runAsNonRoot", 1, "runAsUser", UID, "runAsGroup", UID, "fsGroup", UID, "seccompProfile",
        "type", "RuntimeDefault", "containers", sandbox_of(m), "volumes", volumes_of(m));

    if (m->agent_image)
        json_set(spec, "initContainers", json_build("[o]", install_agent_of(m)));
    if (m->runtime_class)
        json_set_text(spec, "runtimeClassName", m->runtime_class);
    return spec;
}

struct json_t *pod_manifest_build(const struct pod_manifest *m)
{
    return json_build("{s:s,s:s,s:o,s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
                      metadata_of(m), "spec", spec_of(m));
}
