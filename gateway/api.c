#include "gateway/api.h"

#include "gateway/contexts_api.h"
#include "gateway/debug_api.h"
#include "gateway/debug_states.h"
#include "gateway/events_api.h"
#include "gateway/executions_api.h"
#include "gateway/executions_list.h"
#include "gateway/files_api.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/internal_api.h"
#include "gateway/openapi_api.h"
#include "gateway/operators_api.h"
#include "gateway/processes_api.h"
#include "gateway/session_id.h"
#include "gateway/sessions_api.h"
#include "http/problem.h"

#define SESSION "/api/v1/sessions/{id}"

/* Below a session, the same in both spellings. */
#define BELOW_SESSION(prefix)                                                                      \
    {HTTP_METHOD_GET, prefix "/status", sessions_api_get, "session_get",                           \
     "A session and its status."},                                                                 \
        {HTTP_METHOD_POST, prefix "/execute", executions_api_execute, "execute",                   \
         "Runs code and answers with its result."},                                                \
        {HTTP_METHOD_POST, prefix "/exec/{language}", executions_api_exec, "exec", "Runs code."},  \
        {HTTP_METHOD_GET, prefix "/result", executions_api_result, "result",                       \
         "The result of an execution, also while it runs."},                                       \
        {HTTP_METHOD_GET, prefix "/executions", executions_list_all, "executions",                 \
         "The session's executions, without outputs."},                                            \
        {HTTP_METHOD_GET, prefix "/executions/{eid}", executions_list_one, "execution",            \
         "One execution, without outputs."},                                                       \
        {HTTP_METHOD_DELETE, prefix "/executions/{eid}", executions_list_one, "cancel",            \
         "Kills all that an execution started."},                                                  \
        {HTTP_METHOD_POST, prefix "/executions/{eid}/stdin", executions_api_stdin, "stdin",        \
         "Feeds an execution."},                                                                   \
        {HTTP_METHOD_POST, prefix "/extend", sessions_api_extend, "extend",                        \
         "Moves the session's hard end."},                                                         \
        {HTTP_METHOD_GET, prefix "/events", events_api_events, "events",                           \
         "The result as server-sent events."},                                                     \
        {HTTP_METHOD_GET, prefix "/contexts", contexts_api_all, "contexts",                        \
         "Interpreters that keep their variables."},                                               \
        {HTTP_METHOD_POST, prefix "/contexts", contexts_api_all, "context_create", "Makes one."},  \
        {HTTP_METHOD_GET, prefix "/contexts/{cid}", contexts_api_one, "context", "One of them."},  \
        {HTTP_METHOD_DELETE, prefix "/contexts/{cid}", contexts_api_one, "context_delete",         \
         "Ends one."},                                                                             \
        {HTTP_METHOD_POST, prefix "/files/upload", files_api_upload, "upload",                     \
         "Puts a file into the workspace."},                                                       \
        {HTTP_METHOD_GET, prefix "/files/list", files_api_list, "files",                           \
         "The workspace's files."},                                                                \
        {HTTP_METHOD_GET, prefix "/files/download/{name...}", files_api_download, "download",      \
         "One file."},                                                                             \
        {HTTP_METHOD_DELETE, prefix "/files/delete/{name...}", files_api_delete, "file_delete",    \
         "Removes a file."},                                                                       \
        {HTTP_METHOD_POST, prefix "/files/delete/{name...}", files_api_delete, "file_delete",      \
         "Removes a file."},                                                                       \
        {HTTP_METHOD_GET, prefix "/processes", processes_api_list, "processes",                    \
         "The sandbox's processes."},                                                              \
        {HTTP_METHOD_POST, prefix "/process/kill/{pid}", processes_api_kill, "kill",               \
         "Sends a signal to one."},

/* Paths that begin with a reserved word. */
static const struct http_route ROUTES[] = {
    {HTTP_METHOD_POST, "/api/v1/sessions", sessions_api_create, "session_create",
     "Makes a session."},
    {HTTP_METHOD_GET, "/api/v1/sessions", sessions_api_list, "session_list",
     "Lists the living sessions; with status=stopped or error, those whose end the gateways that "
     "are asked, one at each site, remember."},
    {HTTP_METHOD_GET, SESSION, sessions_api_get, "session_get", "A session and its status."},
    {HTTP_METHOD_DELETE, SESSION, sessions_api_delete, "session_delete", "Ends a session."},
    BELOW_SESSION(SESSION){HTTP_METHOD_POST, "/api/run/sync", executions_api_run_sync, "run_sync",
                           "Runs code in a session of its own."},
    {HTTP_METHOD_POST, "/api/run", executions_api_run, "run", "The same, without waiting."},
    {HTTP_METHOD_GET, "/api/run/{id}", executions_api_result, "run_get", "What came of it."},
    {HTTP_METHOD_GET, "/api/v1/environments", operators_api_environments, "environments",
     "What sessions can start from."},
    {HTTP_METHOD_GET, "/api/v1/sites", operators_api_sites, "sites", "The sites and their room."},
    {HTTP_METHOD_GET, "/api/v1/watermark", operators_api_watermark, "watermark",
     "How full this site is."},
    {HTTP_METHOD_GET, "/openapi.json", openapi_api_document, "openapi", "This description."},
    {HTTP_METHOD_GET, "/docs", openapi_api_page, "docs", "A page that shows and tries the calls."},
    {HTTP_METHOD_GET, "/api/v1/health", operators_api_healthz, "health", "Is the gateway there?"},
    {HTTP_METHOD_GET, "/healthz", operators_api_healthz, "health", "Is the gateway there?"},
    {HTTP_METHOD_GET, "/readyz", operators_api_readyz, "ready", "May it be given work?"},
    {HTTP_METHOD_GET, "/internal/v1/capacity", internal_api_capacity, "internal_capacity",
     "For other sites: how much room is here?"},
    {HTTP_METHOD_GET, "/internal/v1/sessions", internal_api_list, "internal_list",
     "For other sites: their sessions here."},
    {HTTP_METHOD_POST, "/internal/v1/sessions/{id}", internal_api_create, "internal_create",
     "For other sites: makes a session."},
    {HTTP_METHOD_GET, "/internal/v1/sessions/{id}", internal_api_get, "internal_get",
     "For other sites: what is known of a session."},
    {HTTP_METHOD_DELETE, "/internal/v1/sessions/{id}", internal_api_delete, "internal_delete",
     "For other sites: ends a session."},
};

/* Paths that begin with a session's id. */
static const struct http_route SHORT_ROUTES[] = {
    {HTTP_METHOD_POST, "/{id}", sessions_api_create_short, "session_create", "Makes a session."},
    {HTTP_METHOD_DELETE, "/{id}", sessions_api_delete, "session_delete", "Ends a session."},
    BELOW_SESSION("/{id}")};

static const struct http_route ADMIN_ROUTES[] = {
    {HTTP_METHOD_GET, "/metrics", debug_api_metrics, "metrics",
     "Metrics as Prometheus reads them."},
    {HTTP_METHOD_GET, "/debug/sessions", debug_api_sessions, "debug_sessions",
     "Every session as this gateway knows it."},
    {HTTP_METHOD_GET, "/debug/sessions/{id}", debug_states_session, "debug_session",
     "One session, with its last changes of state."},
    {HTTP_METHOD_GET, "/debug/states", debug_states_tables, "debug_states",
     "The state machines: states, and which may follow which."},
    {HTTP_METHOD_GET, "/debug/pods", debug_api_pods, "debug_pods", "Every pod in the store."},
    {HTTP_METHOD_GET, "/debug/routes", debug_api_routes, "debug_routes",
     "The sessions that run at other sites."},
    {HTTP_METHOD_GET, "/debug/watermark", debug_api_watermark, "debug_watermark",
     "How full this site is, as this gateway sees it."},
    {HTTP_METHOD_GET, "/debug/config", debug_api_config, "debug_config", "The configuration."},
    {HTTP_METHOD_GET, "/debug/route", debug_api_route, "debug_route",
     "Where would a session go now, and why?"},
    {HTTP_METHOD_GET, "/healthz", operators_api_healthz, "health", "Is the gateway there?"},
    {HTTP_METHOD_GET, "/readyz", operators_api_readyz, "ready", "May it be given work?"},
};

const struct http_route *api_routes(size_t *count)
{
    *count = ARRAY_LEN(ROUTES);
    return ROUTES;
}

const struct http_route *api_short_routes(size_t *count)
{
    *count = ARRAY_LEN(SHORT_ROUTES);
    return SHORT_ROUTES;
}

static struct http_routes routes = HTTP_ROUTES(ROUTES);
static struct http_routes short_routes = HTTP_ROUTES(SHORT_ROUTES);
static struct http_routes admin_routes = HTTP_ROUTES(ADMIN_ROUTES);

/* Up to a dot, which no id has: browsers ask for /favicon.ico. */
static struct slice first_word(struct slice path)
{
    struct slice first = {path.at + 1, 0};
    while (first.len + 1 < path.len && first.at[first.len] != '/' && first.at[first.len] != '.')
        first.len++;
    return first;
}

static struct slice next_segment(struct slice *rest)
{
    struct slice segment = {rest->at, 0};
    while (segment.len < rest->len && segment.at[segment.len] != '/')
        segment.len++;
    size_t used = segment.len < rest->len ? segment.len + 1 : segment.len;
    rest->at += used;
    rest->len -= used;
    return segment;
}

/* No cleaning: what a proxy and a server might read differently is refused. File names may say what
 * they like: they are not routed. */
static bool is_plain(struct slice path)
{
    struct slice rest = {path.at + 1, path.len - 1};
    bool trailing = path.len > 1 && path.at[path.len - 1] == '/';
    while (rest.len > 0) {
        struct slice s = next_segment(&rest);
        if (s.len == 0 || slice_eq(s, ".") || slice_eq(s, "..") || memchr(s.at, '%', s.len))
            return false;
        if (slice_eq(s, "download") || slice_eq(s, "delete"))
            return true;
    }
    return !trailing;
}

static void count_refusal(struct gateway *g, const struct http_route *route)
{
    if (!route) /* 404, 405 and what was refused before any handler */
        gateway_metrics_refused(g->metrics);
}

void api_serve(struct http_exchange *x, void *user)
{
    struct slice path = http_exchange_head(x)->path;
    if (!is_plain(path)) {
        count_refusal(user, NULL);
        problem_replyf(x, ERR_BAD_REQUEST,
                       "a path has no empty, '.' or '..' segments and no percent-encoding");
        return;
    }
    if (path.len < 2 || session_id_is_reserved(first_word(path)))
        count_refusal(user, http_dispatch(&routes, x, user));
    else
        count_refusal(user, http_dispatch(&short_routes, x, user));
}

void api_serve_admin(struct http_exchange *x, void *user)
{
    count_refusal(user, http_dispatch(&admin_routes, x, user));
}
