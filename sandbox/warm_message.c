#include "sandbox/warm_message.h"
#include <stdio.h>
#include <string.h>

/* Read by libc, the interpreters or their libraries when they start. */
static const char *const AT_START[] = {
    "PYTHON", "NODE_",    "LD_",  "MALLOC_", "GLIBC_", "LC_",   "LANG", "HOME=",    "TZ",
    "UV_",    "OPENSSL_", "SSL_", "LOCPATH", "GCONV_", "ASAN_", "ICU_", "NO_COLOR", "FORCE_COLOR"};

bool warm_message_env_is_plain(const struct text_list *env)
{
    for (size_t i = 0; i < env->count; i++)
        for (size_t k = 0; k < ARRAY_LEN(AT_START); k++)
            if (strncmp(env->items[i], AT_START[k], strlen(AT_START[k])) == 0)
                return false;
    return true;
}

static void add_text(struct buf *out, const char *text)
{
    buf_add(out, text, strlen(text) + 1);
}

bool warm_message_print(struct buf *out, const char *cwd, const struct text_list *command,
                        size_t skip, const struct text_list *env)
{
    char count[24];
    if (skip > command->count)
        return false;
    snprintf(count, sizeof(count), "%zu", command->count - skip);
    add_text(out, cwd);
    add_text(out, count);
    for (size_t i = skip; i < command->count; i++)
        add_text(out, command->items[i]);
    for (size_t i = 0; i < env->count; i++)
        add_text(out, env->items[i]);
    return !out->overflowed;
}
