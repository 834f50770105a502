/* openapi.h - the OpenAPI v3 documents of the node's API: what there is, and that fields are
 * checked by the server. Pure.
 *
 * Minimal on purpose: objects are named, not described field by field; which fields a pod may have
 * is pod_check's business, and it says so in its refusals. */
#pragma once
#include "base/cc.h"

struct json_t;

/* /openapi/v3: the list of documents. */
struct json_t *openapi_index(void) CHECK_RESULT;
/* /openapi/v3/api/v1 */
struct json_t *openapi_core(void) CHECK_RESULT;
