/* Bodies of creates; what is taken is within the limits, and the same twice. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gateway_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct environments *environments;
    if (!environments)
        environments = sample_environments();
    const struct session_request_defaults d = {.environments = environments,
                                               .environment = "python",
                                               .runtime_class = "",
                                               .cleanup = SESSION_CLEANUP_IDLE,
                                               .limits = &SAMPLE_LIMITS};
    struct session_request r;
    struct err err;
    char one[DIGEST_HEX], other[DIGEST_HEX];
    if (session_request_parse(&r, (struct slice){(const char *)data, size}, &d, &err) < 0)
        return 0;
    INVARIANT(r.spec.timeout_ms > 0 && r.spec.timeout_ms <= SAMPLE_LIMITS.session_max_ms);
    INVARIANT(r.spec.memory_bytes > 0 && r.spec.memory_bytes <= SAMPLE_LIMITS.memory_bytes_max);
    session_request_fingerprint(&r, slice_of("key"), one);
    session_request_fingerprint(&r, slice_of("key"), other);
    INVARIANT(memcmp(one, other, sizeof(one)) == 0);
    session_request_fini(&r);
    return 0;
}
