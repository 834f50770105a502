/* execution_calls.h - the calls about executions: exec, result, list, cancel, stdin, record,
 * stored. */
#pragma once
#include "http/http_dispatch.h"

void execution_calls_exec(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_result(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_let_go(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_get(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_cancel(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_stdin(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_record(struct http_exchange *x, const struct http_route_match *m, void *agent);
void execution_calls_stored(struct http_exchange *x, const struct http_route_match *m, void *agent);
