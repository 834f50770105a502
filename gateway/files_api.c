/* files_api.c - files go through unread: what a name or a form means only the agent decides, so
 * that no two readers can differ. */
#include "gateway/files_api.h"

#include "gateway/sandbox_call.h"

#define READY_MS    3000
#define ANSWER_MS   5000
#define UPLOAD_MS   70000  /* the server ends bodies that take longer than its 60 s */
#define DOWNLOAD_MS 600000 /* a client that stops taking is cut much earlier */

void files_api_upload(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/files/upload", 0, UPLOAD_MS, UPLOAD_MS, true};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void files_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/files/list", READY_MS, ANSWER_MS, 2 * ANSWER_MS,
                                             false};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void files_api_download(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/files/download/", READY_MS, ANSWER_MS,
                                             DOWNLOAD_MS, false};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}

void files_api_delete(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/files/delete/", READY_MS, ANSWER_MS, ANSWER_MS,
                                             false};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}
