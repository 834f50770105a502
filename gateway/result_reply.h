/* result_reply.h - answers to result calls without an agent: from a stored record, or about what
 * never was or is lost. */
#pragma once
#include "gateway/request.h"
#include "sandbox/result_query.h"

struct result_record;

/* A large one is printed in another thread; it is referenced so long. Of another body than
 * r->fingerprint says: a conflict. */
void result_reply_record(struct request *r, struct result_record *record,
                         const struct result_query *q);
/* A page that an agent or another site has printed. */
void result_reply_as_told(struct request *r, int status, struct slice page);
/* 200 with `pending` and no execution id: nothing was submitted. */
void result_reply_pending(struct request *r, const struct result_query *q);
/* 200 with `lost`: it was submitted, and its sandbox went before its end could be seen. */
void result_reply_lost(struct request *r, const char *execution_id, const struct result_query *q);

/* How a record is told. Ends the request. */
typedef void result_reply_f(struct request *r, struct result_record *record,
                            const struct result_query *q);
void result_reply_stored_as(struct request *r, const char *execution_id,
                            const struct result_query *q, request_step_f *missing,
                            result_reply_f *reply);
/* From memory, or NULL: what was put there before `since_ms`, or longer ago than results are kept,
 * is of another session of this id. */
struct result_record *result_reply_cached(const struct request *r, const char *execution_id,
                                          int64_t since_ms) CHECK_RESULT;
/* Memory, then the result store. `missing` runs when neither has it; an answer of an error is given
 * here when the store cannot be asked. The query is kept by the caller until then. */
void result_reply_stored(struct request *r, const char *execution_id, const struct result_query *q,
                         request_step_f *missing);
