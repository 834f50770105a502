#include "clusters/embedded/api_table.h"
#include "base/json.h"
#include "clusters/kube_object.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COLUMNS_MAX 10
#define CELL_BYTES  400

struct column {
    const char *name, *type;
    int priority; /* 1: only with -o wide */
};

/* What a printer knows: the object, the time, and where the cells go. */
struct printer {
    struct json_t *cells;
    const struct json_t *object;
    int64_t wall_ms;
};

/* -- what is asked for -- */

static struct slice next_part(struct slice *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->at) : rest->len;
    struct slice part = {rest->at, len};

    rest->at += at ? len + 1 : len;
    rest->len -= at ? len + 1 : len;
    while (part.len && (*part.at == ' ' || *part.at == '\t')) {
        part.at++;
        part.len--;
    }
    while (part.len && (part.at[part.len - 1] == ' ' || part.at[part.len - 1] == '\t'))
        part.len--;
    return part;
}

static bool is_json(struct slice type)
{
    return slice_eq_nocase(type, "application/json") || slice_eq_nocase(type, "application/*") ||
           slice_eq_nocase(type, "*/*");
}

static enum api_table_form form_of(struct slice range)
{
    bool json = is_json(next_part(&range, ';')), table = false, other = false;

    while (range.len) {
        struct slice part = next_part(&range, ';');

        if (slice_eq_nocase(part, "as=Table"))
            table = true;
        else if (part.len > 3 && strncasecmp(part.at, "as=", 3) == 0)
            other = true;
        else if (part.len > 2 && strncasecmp(part.at, "v=", 2) == 0)
            other = other || !slice_eq_nocase(part, "v=v1");
        else if (part.len > 2 && strncasecmp(part.at, "g=", 2) == 0)
            other = other || !slice_eq_nocase(part, "g=meta.k8s.io");
    }
    if (!json || other)
        return API_TABLE_OTHER;
    return table ? API_TABLE_ROWS : API_TABLE_PLAIN;
}

enum api_table_form api_table_form(struct slice accept)
{
    if (!accept.len)
        return API_TABLE_PLAIN;
    while (accept.len) {
        enum api_table_form form = form_of(next_part(&accept, ','));

        if (form != API_TABLE_OTHER)
            return form;
    }
    return API_TABLE_OTHER;
}

bool api_table_include(const char *text, enum api_table_include *out)
{
    static const char *const words[] = {[API_TABLE_METADATA] = "Metadata",
                                        [API_TABLE_NOTHING] = "None",
                                        [API_TABLE_OBJECT] = "Object"};

    *out = API_TABLE_METADATA;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], text) == 0) {
            *out = (enum api_table_include)i;
            return true;
        }
    return !*text;
}

/* -- cells -- */

void api_table_duration(int64_t ms, char out[32])
{
    int64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24, y = d / 365;

    if (ms < -1000)
        snprintf(out, 32, "<invalid>");
    else if (s < 120)
        snprintf(out, 32, "%" PRId64 "s", s < 0 ? 0 : s);
    else if (m < 10 && s % 60)
        snprintf(out, 32, "%" PRId64 "m%" PRId64 "s", m, s % 60);
    else if (m < 180)
        snprintf(out, 32, "%" PRId64 "m", m);
    else if (h < 8 && m % 60)
        snprintf(out, 32, "%" PRId64 "h%" PRId64 "m", h, m % 60);
    else if (h < 48)
        snprintf(out, 32, "%" PRId64 "h", h);
    else if (d < 8 && h % 24)
        snprintf(out, 32, "%" PRId64 "d%" PRId64 "h", d, h % 24);
    else if (d < 730)
        snprintf(out, 32, "%" PRId64 "d", d);
    else if (y < 8 && d % 365)
        snprintf(out, 32, "%" PRId64 "y%" PRId64 "d", y, d % 365);
    else
        snprintf(out, 32, "%" PRId64 "y", y);
}

static void add_text(struct printer *p, const char *text)
{
    json_add(p->cells, json_new_text(text));
}

static void add_name(struct printer *p)
{
    add_text(p, json_get_text(json_get(p->object, "metadata"), "name", ""));
}

static void add_since(struct printer *p, const char *time)
{
    char age[32] = "<unknown>";
    int64_t at = 0;

    if (kube_time_parse(time, &at))
        api_table_duration(p->wall_ms - at, age);
    add_text(p, age);
}

static void add_age(struct printer *p)
{
    add_since(p, json_get_text(json_get(p->object, "metadata"), "creationTimestamp", ""));
}

/* -- pods -- */

/* Why a container is not running, in printPod's words; "" when that says nothing. */
static void end_of(const struct json_t *terminated, char out[CELL_BYTES])
{
    const char *reason = json_get_text(terminated, "reason", "");
    int64_t signal = json_int(json_get(terminated, "signal"), 0);

    if (*reason)
        snprintf(out, CELL_BYTES, "%.300s", reason);
    else if (signal)
        snprintf(out, CELL_BYTES, "Signal:%" PRId64, signal);
    else
        snprintf(out, CELL_BYTES, "ExitCode:%" PRId64,
                 json_int(json_get(terminated, "exitCode"), 0));
}

/* True while the init containers are not through. */
static bool print_init(const struct json_t *status, size_t count, char out[CELL_BYTES])
{
    const struct json_t *list = json_get(status, "initContainerStatuses");

    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_t *state = json_get(json_item(list, i), "state");
        const struct json_t *terminated = json_get(state, "terminated");
        const char *waiting = json_get_text(json_get(state, "waiting"), "reason", "");
        char why[CELL_BYTES];

        if (terminated && json_int(json_get(terminated, "exitCode"), 0) == 0)
            continue;
        if (terminated) {
            end_of(terminated, why);
            snprintf(out, CELL_BYTES, "Init:%.300s", why);
        } else if (*waiting && strcmp(waiting, "PodInitializing") != 0) {
            snprintf(out, CELL_BYTES, "Init:%.300s", waiting);
        } else {
            snprintf(out, CELL_BYTES, "Init:%zu/%zu", i, count);
        }
        return true;
    }
    return false;
}

static size_t print_containers(const struct json_t *status, char out[CELL_BYTES])
{
    const struct json_t *list = json_get(status, "containerStatuses");
    size_t ready = 0;

    for (size_t i = json_count(list); i-- > 0;) {
        const struct json_t *one = json_item(list, i), *state = json_get(one, "state");
        const char *waiting = json_get_text(json_get(state, "waiting"), "reason", "");

        if (*waiting)
            snprintf(out, CELL_BYTES, "%.300s", waiting);
        else if (json_get(state, "terminated"))
            end_of(json_get(state, "terminated"), out);
        else if (json_true(json_get(one, "ready")) && json_get(state, "running"))
            ready++;
    }
    return ready;
}

static void print_pod(struct printer *p)
{
    const struct json_t *spec = json_get(p->object, "spec"),
                        *status = json_get(p->object, "status");
    const char *phase = json_get_text(status, "phase", "");
    bool over = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    char why[CELL_BYTES], ready[64];
    size_t count = 0;

    snprintf(why, sizeof why, "%.300s", json_get_text(status, "reason", phase));
    if (!print_init(status, json_count(json_get(spec, "initContainers")), why))
        count = print_containers(status, why);
    if (!over && json_at(p->object, "metadata", "deletionTimestamp", NULL))
        snprintf(why, sizeof why, "Terminating");
    add_name(p);
    snprintf(ready, sizeof ready, "%zu/%zu", count, json_count(json_get(spec, "containers")));
    add_text(p, ready);
    add_text(p, why);
    add_text(p, "0"); /* restartPolicy is Never here */
    add_age(p);
    add_text(p, json_get_text(status, "podIP", "<none>"));
    add_text(p, json_get_text(spec, "nodeName", "<none>"));
    add_text(p, "<none>");
    add_text(p, "<none>");
}

/* -- the others -- */

static const char *address_of(const struct json_t *node, const char *type)
{
    const struct json_t *list = json_at(node, "status", "addresses", NULL);

    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_get_text(json_item(list, i), "type", ""), type) == 0)
            return json_get_text(json_item(list, i), "address", "<none>");
    return "<none>";
}

static void print_node(struct printer *p)
{
    const struct json_t *info = json_at(p->object, "status", "nodeInfo", NULL);
    const struct json_t *ready = json_item(json_at(p->object, "status", "conditions", NULL), 0);
    const char *truth = json_get_text(ready, "status", "");

    add_name(p);
    add_text(p, !*truth ? "Unknown" : strcmp(truth, "True") == 0 ? "Ready" : "NotReady");
    add_text(p, "<none>");
    add_age(p);
    add_text(p, json_get_text(info, "kubeletVersion", ""));
    add_text(p, address_of(p->object, "InternalIP"));
    add_text(p, address_of(p->object, "ExternalIP"));
    add_text(p, json_get_text(info, "osImage", "<unknown>"));
    add_text(p, json_get_text(info, "kernelVersion", "<unknown>"));
    add_text(p, json_get_text(info, "containerRuntimeVersion", "<unknown>"));
}

static void print_namespace(struct printer *p)
{
    add_name(p);
    add_text(p, json_get_text(json_get(p->object, "status"), "phase", ""));
    add_age(p);
}

static void print_event(struct printer *p)
{
    const struct json_t *about = json_get(p->object, "involvedObject");
    const struct json_t *source = json_get(p->object, "source");
    const char *component = json_get_text(source, "component", "");
    const char *host = json_get_text(source, "host", "");
    char text[CELL_BYTES];
    size_t len = 0;

    add_since(p, json_get_text(p->object, "lastTimestamp", ""));
    add_text(p, json_get_text(p->object, "type", ""));
    add_text(p, json_get_text(p->object, "reason", ""));
    snprintf(text, sizeof text, "%.100s/%.253s", json_get_text(about, "kind", ""),
             json_get_text(about, "name", ""));
    for (; text[len] && text[len] != '/'; len++)
        if (text[len] >= 'A' && text[len] <= 'Z')
            text[len] = (char)(text[len] - 'A' + 'a');
    add_text(p, text);
    add_text(p, json_get_text(about, "fieldPath", ""));
    snprintf(text, sizeof text, "%.100s%s%.200s", component, *host ? ", " : "", host);
    add_text(p, text);
    add_text(p, json_get_text(p->object, "message", ""));
    add_since(p, json_get_text(p->object, "firstTimestamp", ""));
    json_add(p->cells, json_new_int(json_int(json_get(p->object, "count"), 1)));
    add_name(p);
}

static void print_runtime_class(struct printer *p)
{
    add_name(p);
    add_text(p, json_get_text(p->object, "handler", ""));
    add_age(p);
}

static const struct {
    struct column columns[COLUMNS_MAX];
    void (*print)(struct printer *p);
} kinds[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = {{{"Name", "string", 0}, {"Status", "string", 0}, {"Age", "string", 0}},
                          print_namespace},
    [OBJECT_NODE] = {{{"Name", "string", 0},
                      {"Status", "string", 0},
                      {"Roles", "string", 0},
                      {"Age", "string", 0},
                      {"Version", "string", 0},
                      {"Internal-IP", "string", 1},
                      {"External-IP", "string", 1},
                      {"OS-Image", "string", 1},
                      {"Kernel-Version", "string", 1},
                      {"Container-Runtime", "string", 1}},
                     print_node},
    [OBJECT_POD] = {{{"Name", "string", 0},
                     {"Ready", "string", 0},
                     {"Status", "string", 0},
                     {"Restarts", "string", 0},
                     {"Age", "string", 0},
                     {"IP", "string", 1},
                     {"Node", "string", 1},
                     {"Nominated Node", "string", 1},
                     {"Readiness Gates", "string", 1}},
                    print_pod},
    [OBJECT_EVENT] = {{{"Last Seen", "string", 0},
                       {"Type", "string", 0},
                       {"Reason", "string", 0},
                       {"Object", "string", 0},
                       {"Subobject", "string", 1},
                       {"Source", "string", 1},
                       {"Message", "string", 0},
                       {"First Seen", "string", 1},
                       {"Count", "integer", 1},
                       {"Name", "string", 1}},
                      print_event},
    [OBJECT_RUNTIME_CLASS] = {{{"Name", "string", 0},
                               {"Handler", "string", 0},
                               {"Age", "string", 0}},
                              print_runtime_class},
};

/* -- tables -- */

static struct json_t *columns_of(enum object_kind kind)
{
    struct json_t *list = json_new_array();

    for (size_t i = 0; i < COLUMNS_MAX && kinds[kind].columns[i].name; i++) {
        const struct column *c = &kinds[kind].columns[i];

        json_add(list, json_build("{s:s, s:s, s:s, s:s, s:i}", "name", c->name, "type", c->type,
                                  "format", i == 0 && kind != OBJECT_EVENT ? "name" : "",
                                  "description", "", "priority", c->priority));
    }
    return list;
}

struct json_t *api_table_new(enum object_kind kind, bool columns)
{
    struct json_t *table =
        json_build("{s:s, s:s, s:{}}", "kind", "Table", "apiVersion", "meta.k8s.io/v1", "metadata");

    json_set(table, "columnDefinitions", columns ? columns_of(kind) : json_new_null());
    json_set(table, "rows", json_new_array());
    return table;
}

struct json_t *api_table_row(enum object_kind kind, const struct json_t *object,
                             enum api_table_include include, int64_t wall_ms)
{
    struct printer p = {json_new_array(), object, wall_ms};
    struct json_t *row = json_new_object(), *meta = json_get(object, "metadata");

    kinds[kind].print(&p);
    json_set(row, "cells", p.cells);
    if (include == API_TABLE_OBJECT)
        json_set(row, "object", json_copy(object));
    else if (include == API_TABLE_METADATA)
        json_set(row, "object",
                 json_build("{s:s, s:s, s:o}", "kind", "PartialObjectMetadata", "apiVersion",
                            "meta.k8s.io/v1", "metadata",
                            meta ? json_copy(meta) : json_new_object()));
    else
        json_set(row, "object", json_new_null());
    return row;
}

struct json_t *api_table_of(enum object_kind kind, const struct json_t *object,
                            enum api_table_include include, bool columns, int64_t wall_ms)
{
    struct json_t *table = api_table_new(kind, columns);

    json_set_text(json_get(table, "metadata"), "resourceVersion",
                  json_get_text(json_get(object, "metadata"), "resourceVersion", ""));
    json_add(json_get(table, "rows"), api_table_row(kind, object, include, wall_ms));
    return table;
}
