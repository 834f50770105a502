#include "sandbox/agent_api.h"
#include "http/http_dispatch.h"
#include "http/problem.h"
#include "sandbox/context_calls.h"
#include "sandbox/event_calls.h"
#include "sandbox/execution_calls.h"
#include "sandbox/file_calls.h"
#include "sandbox/package_calls.h"
#include "sandbox/process_calls.h"
#include "sandbox/session_calls.h"

static const struct http_route ROUTES[] = {
    {HTTP_METHOD_GET, "/v1/health", session_calls_health, "health", "Is the agent there?"},
    {HTTP_METHOD_POST, "/v1/start", session_calls_start, "start",
     "Gives the session its environment and its deadline."},
    {HTTP_METHOD_POST, "/v1/deadline", session_calls_deadline, "deadline", "Moves the deadline."},
    {HTTP_METHOD_POST, "/v1/exec/{language}", execution_calls_exec, "exec", "Runs code."},
    {HTTP_METHOD_GET, "/v1/result", execution_calls_result, "result",
     "The result of an execution, also while it runs."},
    {HTTP_METHOD_GET, "/v1/events", event_calls_events, "events",
     "An execution as server-sent events."},
    {HTTP_METHOD_GET, "/v1/executions", execution_calls_list, "executions",
     "All executions, without outputs."},
    {HTTP_METHOD_GET, "/v1/let_go", execution_calls_let_go, "let_go",
     "The ids of executions that were stored and let go."},
    {HTTP_METHOD_GET, "/v1/executions/{eid}", execution_calls_get, "execution",
     "One execution, without outputs."},
    {HTTP_METHOD_DELETE, "/v1/executions/{eid}", execution_calls_cancel, "cancel",
     "Kills all an execution started."},
    {HTTP_METHOD_POST, "/v1/executions/{eid}/stdin", execution_calls_stdin, "stdin",
     "Feeds an execution."},
    {HTTP_METHOD_GET, "/v1/executions/{eid}/record", execution_calls_record, "record",
     "The end result in its stored form."},
    {HTTP_METHOD_POST, "/v1/executions/{eid}/stored", execution_calls_stored, "stored",
     "The record is safe."},
    {HTTP_METHOD_POST, "/v1/contexts", context_calls_create, "context_create",
     "Starts an interpreter that keeps its variables."},
    {HTTP_METHOD_GET, "/v1/contexts", context_calls_list, "contexts", "The contexts there are."},
    {HTTP_METHOD_GET, "/v1/contexts/{cid}", context_calls_get, "context", "One of them."},
    {HTTP_METHOD_DELETE, "/v1/contexts/{cid}", context_calls_delete, "context_delete",
     "Ends one, and what runs in it."},
    {HTTP_METHOD_POST, "/v1/files/upload", file_calls_upload, "upload",
     "Puts a file into the workspace."},
    {HTTP_METHOD_GET, "/v1/files/list", file_calls_list, "files", "The workspace's files."},
    {HTTP_METHOD_GET, "/v1/files/download/{name...}", file_calls_download, "download", "One file."},
    {HTTP_METHOD_DELETE, "/v1/files/delete/{name...}", file_calls_delete, "file_delete",
     "Removes a file."},
    {HTTP_METHOD_POST, "/v1/files/delete/{name...}", file_calls_delete, "file_delete",
     "Removes a file."},
    {HTTP_METHOD_GET, "/v1/processes", process_calls_list, "processes", "The sandbox's processes."},
    {HTTP_METHOD_POST, "/v1/process/kill/{pid}", process_calls_kill, "kill",
     "Sends a signal to one."},
    {HTTP_METHOD_GET, "/v1/packages/wanted", package_calls_wanted, "package_wanted",
     "What the installer asks the site's index for."},
    {HTTP_METHOD_POST, "/v1/packages/{id}", package_calls_give, "package_give",
     "The index's answer."},
    {HTTP_METHOD_POST, "/v1/packages/{id}/refuse", package_calls_refuse, "package_refuse",
     "Why there is none."},
    {HTTP_METHOD_GET, "/v1/activity", session_calls_activity, "activity",
     "What runs, since when not, who tends."},
    {HTTP_METHOD_POST, "/v1/quiesce", session_calls_quiesce, "quiesce",
     "Asks for consent to end the session."},
};

static struct http_routes routes = HTTP_ROUTES(ROUTES);

void agent_api_serve(struct http_exchange *x, void *user)
{
    struct agent *a = user;
    const struct http_head *head = http_exchange_head(x);
    http_exchange_set_session_id(x, a->session_id);
    if (!slice_eq(head->path, "/v1/health") &&
        !token_accepts(&a->token, http_head_get(head, "Authorization"))) {
        problem_replyf(x, ERR_UNAUTHORIZED, "the session's token is needed");
        return;
    }
    http_dispatch(&routes, x, a);
}
