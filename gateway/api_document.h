/* api_document.h - the description of the calls (OpenAPI 3.1), made from their table, and a page to
 * read it by. What the table does not know (bodies, answers) is in openapi/base.json, by operation.
 */
#pragma once
#include "base/err.h"
#include "http/http_dispatch.h"

struct json_t;

/* The embedded files. */
extern const unsigned char OPENAPI_BASE[], OPENAPI_DOCS[];
extern const size_t OPENAPI_BASE_LEN, OPENAPI_DOCS_LEN;

/* The document without its paths; gives. */
struct json_t *api_document_new(void) CHECK_RESULT;
void api_document_add(struct json_t *document, const struct http_route *routes, size_t count);
/* Takes out what was only there for the making. */
void api_document_finish(struct json_t *document);
