#include "sandbox/result_pending.h"
#include "base/json.h"

struct json_t *result_pending_meta(const char *session_id)
{
    static const char *const nulls[] = {"execution_id", "language",    "exit_code",
                                        "signal",       "result",      "error",
                                        "started_at",   "finished_at", "execution_time"};
    struct json_t *j = json_new_object();
    json_set_text(j, "session_id", session_id);
    json_set_text(j, "status", "pending");
    for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
        json_set(j, nulls[i], json_new_null());
    json_set_bool(j, "result_truncated", false);
    json_set(j, "display", json_new_array());
    return j;
}
