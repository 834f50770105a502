/* lookup_budget.h - how often the API server and the store are asked about sessions that nobody
 * knows: at a bounded rate for each tenant, and for all of them, so that who makes up ids slows
 * nobody but himself. Pure: time from outside. A zeroed one is full. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_BUDGET_SHARES 64 /* tenants share them by hash */

struct lookup_budget {
    int64_t all_ms;                         /* up to when all of it is used up */
    int64_t share_ms[LOOKUP_BUDGET_SHARES]; /* likewise, for a tenant */
};

/* False: not now. */
bool lookup_budget_take(struct lookup_budget *b, const char *tenant, int64_t now_ms);
