#include "http/http_in.h"

#include "base/mem.h"
#include <stdlib.h>

void http_in_add(struct http_in *in, const char *at, size_t len)
{
    size_t need = in->window.len + len;
    if (in->window.len == 0) {
        in->window = (struct slice){at, len};
        return;
    }
    size_t before = (size_t)(in->window.at - in->kept);
    if (need > in->kept_cap) {
        char *to = mem_alloc(need * 2);
        memcpy(to, in->window.at, in->window.len);
        free(in->kept);
        in->kept = to;
        in->kept_cap = need * 2;
        before = 0;
    } else if (before + need > in->kept_cap) {
        memmove(in->kept, in->window.at, in->window.len);
        before = 0;
    }
    memcpy(in->kept + before + in->window.len, at, len);
    in->window = (struct slice){in->kept + before, need};
}

void http_in_drop(struct http_in *in, size_t used)
{
    in->window.at += used;
    in->window.len -= used;
}

void http_in_clear(struct http_in *in)
{
    free(in->kept);
    *in = (struct http_in){{NULL, 0}, NULL, 0};
}

void http_in_keep(struct http_in *in)
{
    const char *at = in->window.at;
    if (in->window.len == 0) {
        if (in->kept != NULL)
            http_in_clear(in);
        return;
    }
    if (in->kept != NULL && at >= in->kept && at < in->kept + in->kept_cap)
        return;
    free(in->kept);
    in->kept = mem_alloc(in->window.len);
    in->kept_cap = in->window.len;
    memcpy(in->kept, at, in->window.len);
    in->window.at = in->kept;
}
