/* Reading: get, list with pages, watch. */
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/api_table.h"
#include "clusters/embedded/node.h"
#include "clusters/embedded/selector.h"
#include "clusters/embedded/watch_streams.h"
#include "http/http_reply.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_BYTES     ((size_t)256 * 1024 * 1024)
#define WATCH_LEAST_MS 1800000 /* without timeoutSeconds: 30 to 60 minutes, as the API server */
#define TIMEOUT_S_MAX  86400
#define SELECTOR_BYTES 4096
#define LIMIT_MAX      10000

const struct api_kind API_KINDS[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = {"v1", "Namespace", "namespaces", "namespace", "ns", false},
    [OBJECT_NODE] = {"v1", "Node", "nodes", "node", "no", false},
    [OBJECT_POD] = {"v1", "Pod", "pods", "pod", "po", true},
    [OBJECT_EVENT] = {"v1", "Event", "events", "event", "ev", true},
    [OBJECT_RUNTIME_CLASS] = {"node.k8s.io/v1", "RuntimeClass", "runtimeclasses", "runtimeclass",
                              NULL, false},
};

struct list_query {
    struct selector *labels, *fields;
    char version[32];
    char match[32];
    char after[400]; /* namespace/name of the last object of the page before */
    int64_t limit, timeout_s;
    bool watch, bookmarks, initial, table;
    enum api_table_include include;
    uint64_t version_number, page_version;
};

bool api_request_query(struct api_request *r, const char *name, char *out, size_t size)
{
    int bad = 0;

    *out = '\0';
    if (http_query_get(http_exchange_head(r->exchange)->query, name, out, size, &bad) || !bad)
        return true;
    api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                     "the parameter %s is malformed or too long", name);
    return false;
}

bool api_request_dry_run(struct api_request *r, bool *dry)
{
    char text[16];

    if (!api_request_query(r, "dryRun", text, sizeof text))
        return false;
    *dry = strcmp(text, "All") == 0;
    if (*dry || !*text)
        return true;
    api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "dryRun: the only value is All");
    return false;
}

static bool refuse(struct api_request *r, const struct err *err)
{
    api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "%s", err->msg);
    return false;
}

static int64_t wall_ms(const struct api_request *r)
{
    return world_wall_ms(loop_world(node_loop(r->node)));
}

/* Objects, or the table of them that kubectl shows. */
static bool parse_form(struct api_request *r, bool *table, enum api_table_include *include)
{
    enum api_table_form form =
        api_table_form(http_head_get(http_exchange_head(r->exchange), "Accept"));
    char text[16];

    if (!api_request_query(r, "includeObject", text, sizeof text))
        return false;
    if (!api_table_include(text, include)) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "includeObject must be None, Metadata or Object");
        return false;
    }
    if (form == API_TABLE_OTHER) {
        api_status_reply(r->exchange, API_NOT_ACCEPTABLE, NULL,
                         "only the following media types are accepted: application/json, "
                         "application/json;as=Table;v=v1;g=meta.k8s.io");
        return false;
    }
    *table = form == API_TABLE_ROWS;
    return true;
}

void api_objects_get(struct api_request *r, enum object_kind kind)
{
    const struct json_t *object =
        object_store_get(node_store(r->node), kind, r->namespace_name, r->name);
    enum api_table_include include = API_TABLE_METADATA;
    bool table = false;

    if (!parse_form(r, &table, &include))
        return;
    if (!object)
        api_status_reply_not_found(r->exchange, API_KINDS[kind].resource, r->name);
    else
        http_reply_json(r->exchange, 200,
                        table ? api_table_of(kind, object, include, true, wall_ms(r))
                              : json_copy(object));
}

/* -- what is asked for -- */

static bool parse_selectors(struct api_request *r, enum object_kind kind, struct list_query *q)
{
    char text[SELECTOR_BYTES];
    struct err err = {.code = ERR_NONE};

    if (!api_request_query(r, "labelSelector", text, sizeof text))
        return false;
    if (selector_parse_labels(text, &q->labels, &err) < 0)
        return refuse(r, &err);
    if (!api_request_query(r, "fieldSelector", text, sizeof text))
        return false;
    return selector_parse_fields(text, kind == OBJECT_EVENT, &q->fields, &err) == 0 ||
           refuse(r, &err);
}

/* "version/namespace/name"; opaque to clients, and checked like everything else that comes back
 * from them. */
static bool parse_continue(struct api_request *r, enum object_kind kind, struct list_query *q)
{
    char token[500];
    char *end = NULL;

    if (!api_request_query(r, "continue", token, sizeof token))
        return false;
    if (!*token)
        return true;
    q->page_version = strtoull(token, &end, 10);
    if (end == token || *end != '.' || strlen(end + 1) >= sizeof q->after) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "continue key is not valid");
        return false;
    }
    snprintf(q->after, sizeof q->after, "%s", end + 1);
    if (!object_store_covers(node_store(r->node), kind, q->page_version)) {
        api_status_reply(
            r->exchange, API_EXPIRED, NULL,
            "The provided continue parameter is too old to display a consistent list result. "
            "You must start a new list without the continue parameter.");
        return false;
    }
    return true;
}

static bool parse_version(struct api_request *r, struct list_query *q)
{
    char *end = NULL;

    if (!api_request_query(r, "resourceVersion", q->version, sizeof q->version) ||
        !api_request_query(r, "resourceVersionMatch", q->match, sizeof q->match))
        return false;
    errno = 0;
    q->version_number = strtoull(q->version, &end, 10);
    if (*end || errno || q->version[0] == '-' || q->version[0] == '+' || q->version[0] == ' ') {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "resourceVersion: Invalid value: \"%s\"", q->version);
        return false;
    }
    return true;
}

static bool parse_query(struct api_request *r, enum object_kind kind, struct list_query *q)
{
    struct slice query = http_exchange_head(r->exchange)->query;
    struct err err = {.code = ERR_NONE};

    if (http_query_bool(query, "watch", &q->watch, &err) < 0 ||
        http_query_bool(query, "allowWatchBookmarks", &q->bookmarks, &err) < 0 ||
        http_query_bool(query, "sendInitialEvents", &q->initial, &err) < 0 ||
        http_query_int(query, "limit", 0, LIMIT_MAX, &q->limit, &err) < 0 ||
        http_query_int(query, "timeoutSeconds", 0, TIMEOUT_S_MAX, &q->timeout_s, &err) < 0)
        return refuse(r, &err);
    return parse_form(r, &q->table, &q->include) && parse_selectors(r, kind, q) &&
           parse_version(r, q) && parse_continue(r, kind, q);
}

/* -- list -- */

static bool is_behind(const struct json_t *object, const char *after)
{
    const struct json_t *meta = json_get(object, "metadata");
    char key[400];

    snprintf(key, sizeof key, "%.63s/%.253s", json_get_text(meta, "namespace", ""),
             json_get_text(meta, "name", ""));
    return strcmp(key, after) > 0;
}

/* Later pages carry the first one's version: a watch from there tells what changed between the
 * pages. */
static void print_list_meta(struct buf *out, uint64_t version, const struct json_t *last,
                            uint64_t remaining)
{
    const struct json_t *meta = json_get(last, "metadata");

    buf_addf(out, "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", version);
    if (last && remaining)
        buf_addf(out, ",\"continue\":\"%" PRIu64 ".%s/%s\",\"remainingItemCount\":%" PRIu64,
                 version, json_get_text(meta, "namespace", ""), json_get_text(meta, "name", ""),
                 remaining);
    buf_add_text(out, "}");
}

static void print_list_head(struct buf *out, enum object_kind kind, const struct list_query *q)
{
    struct json_t *table = NULL;

    if (!q->table) {
        buf_addf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",", API_KINDS[kind].kind,
                 API_KINDS[kind].version);
        return;
    }
    table = api_table_new(kind, true);
    buf_add_text(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\","
                      "\"columnDefinitions\":");
    json_print(json_get(table, "columnDefinitions"), out);
    buf_add_text(out, ",");
    json_free(table);
}

static void print_item(struct api_request *r, enum object_kind kind, const struct list_query *q,
                       const struct json_t *object, struct buf *out)
{
    struct json_t *row = NULL;

    if (!q->table) {
        json_print(object, out);
        return;
    }
    row = api_table_row(kind, object, q->include, wall_ms(r));
    json_print(row, out);
    json_free(row);
}

static void reply_list(struct api_request *r, enum object_kind kind, const struct list_query *q)
{
    struct object_store *store = node_store(r->node);
    struct json_t **objects = NULL;
    const char *ns = *r->namespace_name ? r->namespace_name : NULL;
    size_t all = object_store_list(store, kind, ns, &objects), count = 0, shown = 0;
    struct buf out;

    for (size_t i = 0; i < all; i++)
        if (selector_matches(q->labels, objects[i]) && selector_matches(q->fields, objects[i]) &&
            (!*q->after || is_behind(objects[i], q->after)))
            objects[count++] = objects[i];
    shown = q->limit > 0 && (size_t)q->limit < count ? (size_t)q->limit : count;
    buf_init(&out, LIST_BYTES);
    print_list_head(&out, kind, q);
    print_list_meta(&out, q->page_version ? q->page_version : object_store_version(store),
                    shown ? objects[shown - 1] : NULL, count - shown);
    buf_add_text(&out, q->table ? ",\"rows\":[" : ",\"items\":[");
    for (size_t i = 0; i < shown; i++) {
        if (i)
            buf_add_text(&out, ",");
        print_item(r, kind, q, objects[i], &out);
    }
    buf_add_text(&out, "]}\n");
    free(objects);
    if (out.overflowed)
        api_status_reply(r->exchange, API_INTERNAL_ERROR, NULL, "the list is too large: use limit");
    else
        http_reply(r->exchange, 200, "application/json", buf_slice(&out));
    buf_fini(&out);
}

/* -- watch -- */

static void open_watch(struct api_request *r, enum object_kind kind, struct list_query *q)
{
    struct world *world = loop_world(node_loop(r->node));
    int64_t timeout_ms = q->timeout_s * 1000;

    if (!timeout_ms)
        timeout_ms = WATCH_LEAST_MS + (int64_t)world_random_below(world, WATCH_LEAST_MS);
    watch_streams_open(r->watches, r->exchange,
                       &(struct watch_streams_request){
                           .kind = kind,
                           .namespace_name = *r->namespace_name ? r->namespace_name : NULL,
                           .labels = q->labels,
                           .fields = q->fields,
                           .version = q->version_number,
                           .initial = q->initial || q->version_number == 0,
                           .initial_bookmark = q->initial,
                           .bookmarks = q->bookmarks,
                           .table = q->table,
                           .include = q->include,
                           .timeout_ms = timeout_ms});
    q->labels = q->fields = NULL;
}

static bool check_initial(struct api_request *r, const struct list_query *q)
{
    if (!q->initial || (q->watch && strcmp(q->match, "NotOlderThan") == 0))
        return true;
    api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                     "sendInitialEvents needs watch and resourceVersionMatch=NotOlderThan");
    return false;
}

void api_objects_list_or_watch(struct api_request *r, enum object_kind kind)
{
    struct list_query q = {.limit = 0};

    if (parse_query(r, kind, &q) && check_initial(r, &q)) {
        if (q.watch)
            open_watch(r, kind, &q);
        else
            reply_list(r, kind, &q);
    }
    selector_free(&q.labels);
    selector_free(&q.fields);
}
