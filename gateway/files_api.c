/* files_api.c - files go through unread: what a name or a form means only the agent decides, so
 * that no two readers can differ. */
#include "gateway/files_api.h"

#include "gateway/sandbox_call.h"

#define READY_MS    3000
#define ANSWER_MS   5000
#define UPLOAD_MS   30000  /* behind the last byte of the body, which the server times */
#define DOWNLOAD_MS 600000 /* a client that stops taking is cut much earlier */

void files_api_upload(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/files/upload",
                                             .head_ms = UPLOAD_MS,
                                             .total_ms = UPLOAD_MS,
                                             .takes_file = true};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void files_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/files/list",
                                             .ready_ms = READY_MS,
                                             .head_ms = ANSWER_MS,
                                             .total_ms = 2 * ANSWER_MS};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void files_api_download(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/files/download/",
                                             .ready_ms = READY_MS,
                                             .head_ms = ANSWER_MS,
                                             .total_ms = DOWNLOAD_MS};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}

void files_api_delete(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/files/delete/",
                                             .ready_ms = READY_MS,
                                             .head_ms = ANSWER_MS,
                                             .total_ms = ANSWER_MS};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}
