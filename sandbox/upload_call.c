/* upload_call.c - a file comes in as multipart/form-data: to the workspace as it comes, its name
 * and place given with the last byte. */
#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/multipart.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/file_calls.h"
#include "sandbox/utf8.h"
#include "sandbox/workspace_upload.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SLACK_BYTES                                                                                \
    ((int64_t)64 * 1024) /* around the file: delimiters, fields that are not ours                  \
                          */

struct upload {
    struct agent *agent;
    struct multipart *multipart;
    struct workspace_upload file;
    struct digest *digest;
    bool in_file, has_file;
    int64_t size;     /* of the file so far */
    int64_t received; /* of the body */
    bool overwrite;
    char folder[WORKSPACE_NAME_SIZE];
    struct err refusal; /* code set: told once the body is out of the way */
};

static void free_upload(struct upload *u)
{
    if (u->has_file)
        workspace_upload_abort(&u->file);
    u->agent->files.transfers--;
    multipart_free(&u->multipart);
    digest_end(&u->digest, NULL);
    free(u);
}

static void refuse(struct http_exchange *x, struct upload *u, const struct err *err)
{
    problem_reply(x, err);
    free_upload(u);
}

/* ---- the parts ---- */

static int check_text(const char *name, struct err *err)
{
    for (size_t left = strlen(name); left > 0;) {
        int len = utf8_length(name, left);
        if (len <= 0)
            return err_set(err, ERR_INVALID_ARGUMENT, "the file's name is not UTF-8");
        name += len;
        left -= (size_t)len;
    }
    return 0;
}

static int on_part(const struct multipart_part *part, void *user, struct err *err)
{
    struct upload *u = user;
    char name[WORKSPACE_NAME_SIZE];
    u->in_file = strcmp(part->name, "file") == 0;
    if (!u->in_file)
        return 0; /* other fields of a form are not ours */
    if (u->has_file)
        return err_set(err, ERR_BAD_REQUEST, "one file an upload: there is a second part 'file'");
    if (!part->file_name)
        return err_set(err, ERR_BAD_REQUEST, "the part 'file' has no filename");
    int rc = check_text(part->file_name, err);
    if (rc == 0)
        rc = workspace_name_join(u->folder, part->file_name, name, err);
    if (rc == 0)
        rc = workspace_upload_begin(&u->file, &u->agent->files.workspace, u->agent->world, name,
                                    u->overwrite, err);
    if (rc < 0)
        return rc;
    u->has_file = true;
    u->digest = digest_begin();
    return 0;
}

static int on_data(struct slice piece, void *user, struct err *err)
{
    struct upload *u = user;
    if (!u->in_file)
        return 0;
    u->size += (int64_t)piece.len;
    if (u->size > u->agent->limits.upload_bytes)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "a file may have %" PRId64 " bytes",
                       u->agent->limits.upload_bytes);
    digest_add(u->digest, piece);
    return workspace_upload_write(&u->file, piece, err);
}

static int on_part_end(void *user, struct err *err)
{
    struct upload *u = user;
    (void)err;
    u->in_file = false;
    return 0;
}

static const struct multipart_events PART_EVENTS = {on_part, on_data, on_part_end};

/* ---- the body ---- */

static int take(struct upload *u, struct slice piece, struct err *err)
{
    int64_t max = u->agent->limits.upload_bytes + SLACK_BYTES;
    if (u->received > max)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "a file may have %" PRId64 " bytes",
                       u->agent->limits.upload_bytes);
    files_progress(u->agent);
    return multipart_feed(u->multipart, piece, err);
}

/* A client that is still sending may never see an answer; one whose rest is short is heard out. */
static bool is_nearly_read(const struct http_exchange *x, const struct upload *u)
{
    int64_t length = http_exchange_head(x)->content_length;
    return length >= 0 && length - u->received <= SLACK_BYTES;
}

static void on_body(struct http_exchange *x, struct slice piece, void *user)
{
    struct upload *u = user;
    u->received += (int64_t)piece.len;
    if (u->refusal.code != ERR_NONE)
        return;
    if (take(u, piece, &u->refusal) == 0 || is_nearly_read(x, u))
        return;
    struct err err = u->refusal;
    refuse(x, u, &err);
}

static void reply(struct http_exchange *x, const struct upload *u, const char *sum, bool replaced)
{
    struct buf body;
    buf_init(&body, 32 * WORKSPACE_NAME_SIZE);
    buf_add_text(&body, "{\"name\":");
    json_print_string(&body, slice_of(workspace_name_leaf(u->file.name)));
    buf_add_text(&body, ",\"path\":");
    json_print_string(&body, slice_of(u->file.name));
    buf_addf(&body, ",\"size\":%" PRId64 ",\"sha256\":\"%s\"}", u->size, sum);
    http_reply(x, replaced ? 200 : 201, "application/json", buf_slice(&body));
    buf_fini(&body);
}

static void finish(struct http_exchange *x, struct upload *u)
{
    char sum[DIGEST_HEX];
    bool replaced = false;
    struct err err = {0};
    int rc = multipart_finish(u->multipart, &err);
    if (rc == 0 && !u->has_file)
        rc = err_set(&err, ERR_BAD_REQUEST, "the form has no part 'file'");
    if (rc == 0 && u->agent->activity.quiesced)
        rc = err_set(&err, ERR_SESSION_ENDED, "the session has ended");
    if (rc == 0)
        rc = workspace_upload_commit(&u->file, &replaced, &err);
    if (rc < 0) {
        refuse(x, u, &err);
        return;
    }
    digest_end(&u->digest, sum);
    reply(x, u, sum, replaced);
    free_upload(u);
}

static void on_body_end(struct http_exchange *x, const struct err *failed, void *user)
{
    struct upload *u = user;
    struct err err = u->refusal;
    if (err.code == ERR_NONE && failed)
        err = *failed;
    if (err.code != ERR_NONE)
        refuse(x, u, &err);
    else
        finish(x, u);
}

static const struct http_body_events BODY_EVENTS = {on_body, on_body_end};

/* ---- the call ---- */

static int read_upload(struct http_exchange *x, struct upload *u, struct err *err)
{
    const struct http_head *head = http_exchange_head(x);
    int rc = http_query_bool(head->query, "overwrite", &u->overwrite, err);
    if (rc == 0)
        rc = files_read_folder(head->query, u->folder, err);
    if (rc == 0)
        rc = check_text(u->folder, err);
    if (rc == 0 && head->content_length > u->agent->limits.upload_bytes + SLACK_BYTES)
        rc = err_set(err, ERR_PAYLOAD_TOO_LARGE, "a file may have %" PRId64 " bytes",
                     u->agent->limits.upload_bytes);
    if (rc < 0)
        return rc;
    u->multipart = multipart_new(http_head_get(head, "Content-Type"), &PART_EVENTS, u, err);
    return u->multipart ? 0 : -(int)err->code;
}

void file_calls_upload(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct err err;
    if (!files_admit(x, a) || !files_enter(x, &a->files.transfers, FILES_TRANSFERS_MAX))
        return;
    struct upload *u = mem_alloc(sizeof(*u));
    u->agent = a;
    u->file.fd = -1;
    if (read_upload(x, u, &err) < 0)
        refuse(x, u, &err);
    else
        http_exchange_stream(x, &BODY_EVENTS, u);
}
