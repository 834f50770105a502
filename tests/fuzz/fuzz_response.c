/* What an agent, which untrusted code shares a sandbox with, may answer. */
#include "tests/fuzz/fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_http(HTTP_PARSE_RESPONSES, data, size, NULL);
    return 0;
}
