#include "sandbox/user_env.h"
#include "base/mem.h"
#include <stdlib.h>

static char *const BASE[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/home/sandbox",
    "LANG=C.UTF-8",
    "TMPDIR=/tmp",
    "USER=sandbox",
    "PYTHONDONTWRITEBYTECODE=1",
};

static void set(struct text_list *env, const char *pair)
{
    size_t name = strcspn(pair, "=") + 1;
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], pair, name) == 0) {
            free(env->items[i]);
            env->items[i] = mem_text(pair);
            return;
        }
    env->items[env->count++] = mem_text(pair);
}

struct text_list user_env_make(const struct text_list *session, const struct text_list *execution)
{
    struct text_list env = {
        mem_array(ARRAY_LEN(BASE) + session->count + execution->count + 1, sizeof(*env.items)), 0};
    for (size_t i = 0; i < ARRAY_LEN(BASE); i++)
        set(&env, BASE[i]);
    for (size_t i = 0; i < session->count; i++)
        set(&env, session->items[i]);
    for (size_t i = 0; i < execution->count; i++)
        set(&env, execution->items[i]);
    return env;
}
