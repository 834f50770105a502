#include "gateway/lookup_budget.h"

#include "base/digest.h"

#define ALL_EVERY_MS   5 /* 200 a second */
#define SHARE_EVERY_MS 10
/* So much at once that a gateway which takes over hundreds of sessions from another refuses none.
 */
#define BURST_MS 5000

static int64_t *share_of(struct lookup_budget *b, const char *tenant)
{
    uint8_t sum[DIGEST_BYTES];
    digest_sha256(slice_of(tenant), sum);
    return &b->share_ms[sum[0] % LOOKUP_BUDGET_SHARES];
}

static bool has_some(int64_t used_up_ms, int64_t now_ms, int64_t every_ms)
{
    return used_up_ms + every_ms - now_ms <= BURST_MS;
}

static void use(int64_t *used_up_ms, int64_t now_ms, int64_t every_ms)
{
    *used_up_ms = (*used_up_ms > now_ms ? *used_up_ms : now_ms) + every_ms;
}

bool lookup_budget_take(struct lookup_budget *b, const char *tenant, int64_t now_ms)
{
    int64_t *share = share_of(b, tenant);
    if (!has_some(b->all_ms, now_ms, ALL_EVERY_MS) || !has_some(*share, now_ms, SHARE_EVERY_MS))
        return false;
    use(&b->all_ms, now_ms, ALL_EVERY_MS);
    use(share, now_ms, SHARE_EVERY_MS);
    return true;
}
