/* result_query.h - the query of a result call, read and checked; the same for the agent and for a
 * gateway that answers from a stored record. Pure. */
#pragma once
#include "sandbox/result_page.h"

/* ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED, ERR_INVALID_ID; unknown parameters are left to others.
 */
int result_query_parse(struct slice query, struct result_query *out, struct err *err) CHECK_RESULT;
/* An execution's or context's id or an idempotency key: [A-Za-z0-9._-]{1,64}. */
bool result_query_id_ok(const char *id);
