#include "gateway/api_document.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_MAX_BYTES 256

struct json_t *api_document_new(void)
{
    struct err err;
    struct json_t *j =
        json_parse_object((struct slice){(const char *)OPENAPI_BASE, OPENAPI_BASE_LEN}, &err);
    INVARIANT(j != NULL);
    json_set(j, "paths", json_new_object());
    return j;
}

static struct json_t *ref(const char *schema)
{
    char text[96];
    snprintf(text, sizeof(text), "#/components/schemas/%s", schema);
    return json_build("{s:s}", "$ref", text);
}

static struct json_t *parameter(const struct json_t *document, const char *name, const char *where)
{
    const struct json_t *known = json_get(document, "x-parameters");
    const struct json_t *schema = json_get(known, name);
    struct json_t *p = json_build("{s:s,s:s}", "name", name, "in", where);
    if (strcmp(where, "path") == 0)
        json_set_bool(p, "required", true);
    json_set(p, "schema", json_copy(schema ? schema : json_get(known, "*")));
    return p;
}

/* Appends the names in braces; `path` becomes the pattern as OpenAPI writes it. */
static void add_path_parameters(const struct json_t *document, const char *pattern, char *path,
                                struct json_t *out)
{
    char name[64];
    size_t n = 0;
    for (const char *at = pattern; *at;) {
        size_t len = *at == '{' ? strcspn(at, "}.") - 1 : 0;
        INVARIANT(n + len + 4 < PATH_MAX_BYTES && len < sizeof(name));
        if (*at != '{') {
            path[n++] = *at++;
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)len, at + 1);
        json_add(out, parameter(document, name, "path"));
        n += (size_t)snprintf(path + n, PATH_MAX_BYTES - n, "{%s}", name);
        at += strcspn(at, "}") + 1;
    }
    path[n] = '\0';
}

static void add_other_parameters(const struct json_t *document, const struct json_t *how,
                                 struct json_t *out)
{
    const struct json_t *query = json_get(how, "query");
    for (size_t i = 0; i < json_count(query); i++)
        json_add(out, parameter(document, json_text(json_item(query, i)), "query"));
    if (json_get(how, "header"))
        json_add(out, parameter(document, json_get_text(how, "header", ""), "header"));
}

static void add_content(struct json_t *content, const char *media, struct json_t *schema)
{
    struct json_t *one = json_new_object();
    json_set(one, "schema", schema);
    json_set(content, media, one);
}

static struct json_t *request_body(const struct json_t *how)
{
    struct json_t *content = json_new_object(), *body = json_new_object();
    if (json_get(how, "body"))
        add_content(content, "application/json", ref(json_get_text(how, "body", "")));
    if (json_get(how, "text"))
        add_content(content, "text/plain", json_build("{s:s}", "type", "string"));
    if (json_get(how, "form"))
        add_content(content, "multipart/form-data", ref(json_get_text(how, "form", "")));
    if (json_get(how, "bytes"))
        add_content(content, "application/octet-stream", json_new_object());
    json_set(body, "content", content);
    return body;
}

static struct json_t *answer(const char *description, const char *media, struct json_t *schema)
{
    struct json_t *j = json_build("{s:s}", "description", description);
    struct json_t *content = json_new_object();
    add_content(content, media, schema);
    json_set(j, "content", content);
    return j;
}

static struct json_t *answers(const struct json_t *how)
{
    struct json_t *out = json_new_object();
    const char *status, *media = json_get_text(how, "media", NULL);
    struct json_t *schema;
    const struct json_t *known = json_get(how, "answers");
    for (void *it = NULL; (it = json_next(known, it, &status, &schema));) {
        if (json_is_string(schema))
            json_set(out, status, answer("done", "application/json", ref(json_text(schema))));
        else if (media && status[0] == '2' && strcmp(status, "204") != 0)
            json_set(out, status, answer("done", media, json_new_object()));
        else
            json_set(out, status, json_build("{s:s}", "description", "done, without a body"));
    }
    if (!known)
        json_set(out, "200", answer("done", "application/json", ref("Object")));
    json_set(out, "default", answer("a problem", "application/problem+json", ref("Problem")));
    return out;
}

/* "get_sessions_id_result": unique, since method and path are. */
static void name_operation(const char *method, const char *path, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s", method);
    bool gap = true;
    for (const char *at = path; *at && n + 2 < size; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        if (plain && gap)
            out[n++] = '_';
        if (plain)
            out[n++] = *at;
        gap = !plain;
    }
    out[n] = '\0';
}

static const char *method_word(enum http_method m)
{
    return m == HTTP_METHOD_GET ? "get" : m == HTTP_METHOD_POST ? "post" : "delete";
}

static void add_route(struct json_t *document, const struct http_route *route)
{
    char path[PATH_MAX_BYTES], id[PATH_MAX_BYTES];
    const struct json_t *how = json_at(document, "x-operations", route->name, NULL);
    const char *method = method_word(route->method);
    struct json_t *paths = json_get(document, "paths"), *parameters = json_new_array();
    add_path_parameters(document, route->pattern, path, parameters);
    add_other_parameters(document, how, parameters);
    name_operation(method, path, id, sizeof(id));
    struct json_t *operation =
        json_build("{s:s,s:s}", "operationId", id, "summary", route->summary);
    json_set(operation, "parameters", parameters);
    struct json_t *body = request_body(how);
    if (json_count(json_get(body, "content")) > 0)
        json_set(operation, "requestBody", body);
    else
        json_free(body);
    json_set(operation, "responses", answers(how));
    if (!json_get(paths, path))
        json_set(paths, path, json_new_object());
    json_set(json_get(paths, path), method, operation);
}

void api_document_add(struct json_t *document, const struct http_route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(routes[i].pattern, "/internal/", 10) != 0) /* between gateways */
            add_route(document, &routes[i]);
    }
}

void api_document_finish(struct json_t *document)
{
    json_remove(document, "x-operations");
    json_remove(document, "x-parameters");
}
