#include "sandbox/files.h"
#include "http/http_message.h"
#include "http/problem.h"
#include "sandbox/agent.h"

#define TOUCH_MS 1000

static void touch(struct agent *a)
{
    a->files.touched_ms = world_now_ms(a->world);
    activity_touch(&a->activity, a->files.touched_ms);
    agent_changed(a);
}

bool files_admit(struct http_exchange *x, struct agent *a)
{
    if (!a->activity.started) {
        problem_replyf(x, ERR_SESSION_NOT_READY, "the session has not been started yet");
        return false;
    }
    if (a->activity.quiesced) {
        problem_replyf(x, ERR_SESSION_ENDED, "the session has ended");
        return false;
    }
    touch(a);
    return true;
}

bool files_enter(struct http_exchange *x, unsigned *count, unsigned max)
{
    if (*count >= max) {
        problem_replyf(x, ERR_BUSY, "%u such calls at once is what a session takes", max);
        return false;
    }
    (*count)++;
    return true;
}

void files_progress(struct agent *a)
{
    if (world_now_ms(a->world) - a->files.touched_ms >= TOUCH_MS)
        touch(a);
}

int files_read_folder(struct slice query, char folder[WORKSPACE_NAME_SIZE], struct err *err)
{
    int bad = 0;
    bool given = http_query_get(query, "path", folder, WORKSPACE_NAME_SIZE, &bad);
    if (bad != 0)
        return err_set(err, ERR_INVALID_ARGUMENT, "path is malformed, or too long");
    if (!given)
        folder[0] = '\0';
    return *folder ? workspace_name_check(slice_of(folder), err) : 0;
}
