#include "sandbox/run_files.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/workspace_name.h"
#include "sandbox/workspace_upload.h"
#include <stdlib.h>

static struct slice text_of(const struct json_t *file, const char *member)
{
    const struct json_t *v = json_get(file, member);
    return json_is_string(v) ? (struct slice){json_text(v), json_text_len(v)} : (struct slice){0};
}

/* Gives the bytes; NULL: it has none, or they are not readable. */
static char *content_of(const struct json_t *file, size_t *len)
{
    struct slice plain = text_of(file, "content"), coded = text_of(file, "content_base64");
    if ((plain.at == NULL) == (coded.at == NULL))
        return NULL;
    *len = plain.len;
    if (plain.at)
        return mem_text_n(plain.at, plain.len);
    char *bytes = mem_array(coded.len / 4 * 3 + 3, 1);
    if (base64_decode(coded, BASE64_STRICT, bytes, len))
        return bytes;
    free(bytes);
    return NULL;
}

static int check_file(const struct json_t *file, struct err *err)
{
    size_t len;
    int rc = workspace_name_check(text_of(file, "name"), err);
    if (rc < 0)
        return err_wrap(err, "files");
    char *bytes = content_of(file, &len);
    bool good = bytes != NULL && json_count(file) == 2;
    free(bytes);
    return good ? 0
                : err_set(err, ERR_INVALID_ARGUMENT,
                          "files: each has a name, and either content or content_base64");
}

int run_files_check(const struct json_t *files, struct err *err)
{
    if (!json_is_array(files))
        return err_set(err, ERR_INVALID_ARGUMENT, "files must be an array of {name, content}");
    if (json_count(files) > RUN_FILES_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "files has %zu, the limit is %d", json_count(files),
                       RUN_FILES_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_count(files); i++)
        rc = check_file(json_item(files, i), err);
    return rc;
}

static int write_file(const struct json_t *file, const struct workspace *w, struct world *world,
                      struct err *err)
{
    struct workspace_upload u;
    size_t len = 0;
    bool replaced;
    int rc = workspace_upload_begin(&u, w, world, json_get_text(file, "name", ""), true, err);
    if (rc < 0)
        return rc;
    char *bytes = content_of(file, &len);
    rc = workspace_upload_write(&u, (struct slice){bytes, len}, err);
    free(bytes);
    if (rc == 0)
        return workspace_upload_commit(&u, &replaced, err);
    workspace_upload_abort(&u);
    return rc;
}

int run_files_write(const struct json_t *files, const struct workspace *w, struct world *world,
                    struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_count(files); i++)
        rc = write_file(json_item(files, i), w, world, err);
    return rc;
}
