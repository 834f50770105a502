/* auth.h - who asks: API keys and their tenants.
 *
 * A key comes as "Authorization: Bearer KEY" or "X-API-Key: KEY"; the file holds SHA-256 hashes
 * only, and every hash is compared, in constant time. Without keys everybody is the tenant
 * "default". Ownership: tenant names are the auth's and live as long as it. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

struct auth;
struct http_head;

#define AUTH_DEFAULT_TENANT "default"

struct auth *auth_new_open(void) CHECK_RESULT; /* no keys: everybody may */
struct auth *auth_read(const char *keys_file, struct err *err) CHECK_RESULT;
struct auth *auth_parse(struct slice text, const char *name, struct err *err) CHECK_RESULT;
void auth_free(struct auth **a);
/* The tenant, or NULL with err ERR_UNAUTHORIZED. */
const char *auth_tenant(const struct auth *a, const struct http_head *head,
                        struct err *err) CHECK_RESULT;
/* Of a key as the client sent it; NULL when there is none such. */
const char *auth_tenant_of_key(const struct auth *a, struct slice key);
