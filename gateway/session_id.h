/* session_id.h - which texts may name a session, an execution or a language. Pure. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

#define SESSION_ID_SIZE   64 /* with the NUL */
#define EXECUTION_ID_SIZE 65

/* DNS-1123 label: 1 to 63 of a-z 0-9 -, first and last alphanumeric. */
bool session_id_is_label(struct slice text);
/* 1 to 64 of A-Z a-z 0-9 . _ -: execution ids, context ids, Idempotency-Key. */
bool session_id_is_name(struct slice text);
bool session_id_is_language(struct slice text);
bool session_id_is_reserved(struct slice text);
/* ERR_INVALID_ID, ERR_RESERVED_ID; on success copies into `out`. */
int session_id_check(struct slice text, char out[SESSION_ID_SIZE], struct err *err) CHECK_RESULT;
/* ERR_INVALID_ID that names `what`. */
int session_id_check_name(struct slice text, const char *what, char out[EXECUTION_ID_SIZE],
                          struct err *err) CHECK_RESULT;
/* "s" and 32 hex digits of HMAC(key, tenant NUL idempotency key). */
void session_id_from_key(struct slice site_key, const char *tenant, struct slice idempotency_key,
                         char out[SESSION_ID_SIZE]);
