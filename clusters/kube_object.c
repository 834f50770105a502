#include "clusters/kube_object.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/quantity.h"
#include <stdlib.h>
#include <string.h>

static char *text_of(const struct json_t *object, const char *key)
{
    return mem_text(json_get_text(object, key, ""));
}

static bool text_is(const struct json_t *object, const char *key, const char *wanted)
{
    return strcmp(json_get_text(object, key, ""), wanted) == 0;
}

/* -- resources -- */

typedef int parse_f(const char *text, int64_t *out, struct err *err);

static int read_quantity(const struct json_t *map, const char *key, parse_f *parse, int64_t whole,
                         int64_t *out, struct err *err)
{
    struct json_t *value = json_get(map, key);

    *out = 0;
    if (!value || json_is_null(value))
        return 0;
    if (json_is_integer(value)) { /* a client may have written cpu: 2 */
        int64_t n = json_int(value, 0);
        if (n < 0 || __builtin_mul_overflow(n, whole, out))
            return err_set(err, ERR_INVALID_ARGUMENT, "%s is out of range", key);
        return 0;
    }
    if (parse(json_text(value), out, err) < 0)
        return err_wrap(err, "%s", key);
    return 0;
}

static int read_resources(const struct json_t *map, struct kube_resources *out, struct err *err)
{
    int rc = read_quantity(map, "cpu", quantity_parse_milli, 1000, &out->millicpu, err);

    if (rc == 0)
        rc = read_quantity(map, "memory", quantity_parse, 1, &out->memory_bytes, err);
    if (rc == 0)
        rc = read_quantity(map, "ephemeral-storage", quantity_parse, 1, &out->ephemeral_bytes, err);
    if (rc == 0)
        rc = read_quantity(map, "pods", quantity_parse, 1, &out->pods, err);
    return rc;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add(struct kube_resources *to, const struct kube_resources *more)
{
    to->millicpu = plus(to->millicpu, more->millicpu);
    to->memory_bytes = plus(to->memory_bytes, more->memory_bytes);
    to->ephemeral_bytes = plus(to->ephemeral_bytes, more->ephemeral_bytes);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void raise_to(struct kube_resources *to, const struct kube_resources *least)
{
    to->millicpu = larger(to->millicpu, least->millicpu);
    to->memory_bytes = larger(to->memory_bytes, least->memory_bytes);
    to->ephemeral_bytes = larger(to->ephemeral_bytes, least->ephemeral_bytes);
}

/* As the scheduler counts: init containers run one after the other beside the sidecars that were
 * started before them (restartPolicy Always), the containers all at once beside all sidecars. */
static int read_requests(const struct json_t *spec, struct kube_resources *out, struct err *err)
{
    struct json_t *inits = json_get(spec, "initContainers");
    struct json_t *containers = json_get(spec, "containers");
    struct kube_resources one, sidecars = {0}, peak = {0}, sum = {0};

    for (size_t i = 0; i < json_count(inits); i++) {
        struct json_t *c = json_item(inits, i);
        if (read_resources(json_at(c, "resources", "requests", NULL), &one, err) < 0)
            return err_wrap(err, "init container %zu", i);
        if (text_is(c, "restartPolicy", "Always"))
            add(&sidecars, &one);
        else
            add(&one, &sidecars);
        raise_to(&peak, text_is(c, "restartPolicy", "Always") ? &sidecars : &one);
    }
    for (size_t i = 0; i < json_count(containers); i++) {
        if (read_resources(json_at(json_item(containers, i), "resources", "requests", NULL), &one,
                           err) < 0)
            return err_wrap(err, "container %zu", i);
        add(&sum, &one);
    }
    add(&sum, &sidecars);
    raise_to(&sum, &peak);
    if (read_resources(json_get(spec, "overhead"), &one, err) < 0)
        return err_wrap(err, "overhead");
    add(&sum, &one);
    sum.pods = 1;
    *out = sum;
    return 0;
}

/* -- pods -- */

static enum kube_phase phase_of(const char *text)
{
    static const char *const NAMES[] = {"Pending", "Running", "Succeeded", "Failed"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (strcmp(text, NAMES[i]) == 0)
            return (enum kube_phase)i;
    return KUBE_UNKNOWN;
}

/* The first explanation stays: it is asked for from the most to the least telling place. */
static void explain(struct kube_pod *p, const struct json_t *from)
{
    if (p->reason[0] != '\0' || json_get_text(from, "reason", "")[0] == '\0')
        return;
    p->reason = json_get_text(from, "reason", "");
    p->message = json_get_text(from, "message", "");
}

static bool is_image_error(const char *reason)
{
    static const char *const REASONS[] = {
        "ErrImagePull",      "ImagePullBackOff",    "InvalidImageName",         "ErrImageNeverPull",
        "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"};

    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++)
        if (strcmp(reason, REASONS[i]) == 0)
            return true;
    return false;
}

/* Waiting for its turn or being made says nothing about what is wrong. */
static bool is_plain_waiting(const char *reason)
{
    return strcmp(reason, "PodInitializing") == 0 || strcmp(reason, "ContainerCreating") == 0;
}

static void read_container_status(struct kube_pod *p, const struct json_t *status, bool init)
{
    struct json_t *waiting = json_at(status, "state", "waiting", NULL);
    struct json_t *ended = json_at(status, "state", "terminated", NULL);

    if (waiting) {
        p->image_error |= is_image_error(json_get_text(waiting, "reason", ""));
        if (!is_plain_waiting(json_get_text(waiting, "reason", "")))
            explain(p, waiting);
    }
    if (!ended)
        return;
    int code = (int)json_int(json_get(ended, "exitCode"), -1);
    if (init && code == 0)
        return;
    p->oom_killed |= text_is(ended, "reason", "OOMKilled");
    if (!init || p->exit_code < 0)
        p->exit_code = code;
    explain(p, ended);
}

static void read_container_statuses(struct kube_pod *p, const struct json_t *status)
{
    struct json_t *list = json_get(status, "containerStatuses");

    for (size_t i = 0; i < json_count(list); i++)
        read_container_status(p, json_item(list, i), false);
    list = json_get(status, "initContainerStatuses");
    for (size_t i = 0; i < json_count(list); i++)
        read_container_status(p, json_item(list, i), true);
}

static void read_condition(struct kube_pod *p, const struct json_t *c)
{
    bool yes = text_is(c, "status", "True");

    if (text_is(c, "type", "Ready")) {
        p->ready = yes;
        if (yes && !kube_time_parse(json_get_text(c, "lastTransitionTime", ""), &p->ready_wall_ms))
            p->ready_wall_ms = 0;
    } else if (text_is(c, "type", "PodScheduled") && text_is(c, "status", "False")) {
        p->unschedulable = text_is(c, "reason", "Unschedulable");
        explain(p, c);
    } else if (text_is(c, "type", "DisruptionTarget") && yes) {
        p->evicted = true;
        explain(p, c);
    }
}

static void read_status(struct kube_pod *p, const struct json_t *status)
{
    struct json_t *conditions = json_get(status, "conditions");
    const char *reason = json_get_text(status, "reason", "");

    p->phase = phase_of(json_get_text(status, "phase", "Pending"));
    p->pod_ip = json_get_text(status, "podIP", "");
    p->evicted = strcmp(reason, "Evicted") == 0 || strcmp(reason, "Preempting") == 0 ||
                 strcmp(reason, "NodeShutdown") == 0;
    explain(p, status);
    read_container_statuses(p, status);
    for (size_t i = 0; i < json_count(conditions); i++)
        read_condition(p, json_item(conditions, i));
}

static void read_marks(struct kube_session_marks *m, const struct json_t *metadata)
{
    struct json_t *labels = json_get(metadata, "labels");
    struct json_t *notes = json_get(metadata, "annotations");

    m->session_id = json_get_text(labels, "spillway.dev/session", "");
    m->tenant = json_get_text(notes, "spillway.dev/tenant", "");
    m->epoch = json_get_text(notes, "spillway.dev/epoch", "");
    m->nonce = json_get_text(notes, "spillway.dev/nonce", "");
    m->fingerprint = json_get_text(notes, "spillway.dev/fingerprint", "");
    m->spec_json = json_get_text(notes, "spillway.dev/spec", "");
    if (!kube_time_parse(json_get_text(notes, "spillway.dev/deadline", ""), &m->deadline_wall_ms))
        m->deadline_wall_ms = 0;
}

/* Its texts are the object's. */
static struct kube_pod read_pod(const struct json_t *object)
{
    struct json_t *metadata = json_get(object, "metadata");
    struct kube_pod p = {.exit_code = -1, .reason = "", .message = ""};

    p.namespace_name = json_get_text(metadata, "namespace", "");
    p.name = json_get_text(metadata, "name", "");
    p.uid = json_get_text(metadata, "uid", "");
    p.resource_version = json_get_text(metadata, "resourceVersion", "");
    p.node_name = json_get_text(json_get(object, "spec"), "nodeName", "");
    p.terminating = json_text(json_get(metadata, "deletionTimestamp")) != NULL;
    if (!kube_time_parse(json_get_text(metadata, "creationTimestamp", ""), &p.created_wall_ms))
        p.created_wall_ms = 0;
    read_status(&p, json_get(object, "status"));
    read_marks(&p.marks, metadata);
    return p;
}

/* One block, with copies of its texts behind it. */
static struct kube_pod *keep(struct kube_pod p)
{
    const char **const texts[] = {
        &p.namespace_name,    &p.name,           &p.uid,         &p.resource_version,
        &p.node_name,         &p.pod_ip,         &p.reason,      &p.message,
        &p.marks.session_id,  &p.marks.tenant,   &p.marks.epoch, &p.marks.nonce,
        &p.marks.fingerprint, &p.marks.spec_json};
    size_t sizes[ARRAY_LEN(texts)], size = sizeof(p);

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        sizes[i] = strlen(*texts[i]) + 1;
        size += sizes[i];
    }
    struct kube_pod *kept = mem_alloc(size);
    char *at = (char *)(kept + 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = memcpy(at, *texts[i], sizes[i]);
        at += sizes[i];
    }
    *kept = p;
    return kept;
}

static bool has_name(const struct json_t *object)
{
    return json_get_text(json_get(object, "metadata"), "name", "")[0] != '\0';
}

struct kube_pod *kube_pod_parse(const struct json_t *object, struct err *err)
{
    if (!has_name(object)) {
        err_set(err, ERR_KUBERNETES, "a pod without metadata.name");
        return NULL;
    }
    struct kube_pod p = read_pod(object);
    if (read_requests(json_get(object, "spec"), &p.requests, err) < 0) {
        err_wrap(err, "pod %s", p.name);
        return NULL;
    }
    return keep(p);
}

void kube_pod_free(struct kube_pod **at)
{
    free(*at);
    *at = NULL;
}

bool kube_pod_alive(const struct kube_pod *p)
{
    return p->phase != KUBE_SUCCEEDED && p->phase != KUBE_FAILED;
}

/* -- nodes -- */

static bool node_is_ready(const struct json_t *status)
{
    struct json_t *conditions = json_get(status, "conditions");

    for (size_t i = 0; i < json_count(conditions); i++)
        if (text_is(json_item(conditions, i), "type", "Ready"))
            return text_is(json_item(conditions, i), "status", "True");
    return false;
}

static bool node_is_tainted(const struct json_t *spec)
{
    struct json_t *taints = json_get(spec, "taints");

    for (size_t i = 0; i < json_count(taints); i++)
        if (text_is(json_item(taints, i), "effect", "NoSchedule") ||
            text_is(json_item(taints, i), "effect", "NoExecute"))
            return true;
    return false;
}

struct kube_node *kube_node_parse(const struct json_t *object, struct err *err)
{
    struct json_t *metadata = json_get(object, "metadata");
    struct json_t *spec = json_get(object, "spec");
    struct json_t *status = json_get(object, "status");

    if (!has_name(object)) {
        err_set(err, ERR_KUBERNETES, "a node without metadata.name");
        return NULL;
    }
    struct kube_node *n = mem_alloc(sizeof(*n));
    n->name = text_of(metadata, "name");
    n->uid = text_of(metadata, "uid");
    n->resource_version = text_of(metadata, "resourceVersion");
    n->ready = node_is_ready(status);
    n->unschedulable = json_true(json_get(spec, "unschedulable"));
    n->tainted = node_is_tainted(spec);
    if (read_resources(json_get(status, "allocatable"), &n->allocatable, err) < 0) {
        err_wrap(err, "node %s", n->name);
        kube_node_free(&n);
    }
    return n;
}

void kube_node_free(struct kube_node **at)
{
    struct kube_node *n = *at;

    *at = NULL;
    if (!n)
        return;
    free(n->name);
    free(n->uid);
    free(n->resource_version);
    free(n);
}
