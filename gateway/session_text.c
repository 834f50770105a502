#include "gateway/session_text.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "gateway/session.h"
#include "gateway/session_view.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)128 * 1024)
#define LANES    4

static uint64_t sum_text(uint64_t sum, const char *text)
{
    for (; text && *text; text++)
        sum = (sum ^ (unsigned char)*text) * UINT64_C(0x9e3779b97f4a7c15);
    return (sum ^ (sum >> 29)) * UINT64_C(0xff51afd7ed558ccd); /* where one ends counts too */
}

/* The text stands as long as the bytes that it was made from are the same: a sum over them, in
 * place of a mark that every writer would have to remember. Behind other pointers lies what is made
 * once (spec.metadata) or replaced as a whole (view). */
static uint64_t sum_of(const struct session *s)
{
    uint64_t lanes[LANES] = {1 + session_is_started(s), 2, 3, 4}, words[LANES];
    const char *at = (const char *)s;
    size_t left = offsetof(struct session, tenant);
    for (; left >= sizeof(words); left -= sizeof(words), at += sizeof(words)) {
        memcpy(words, at, sizeof(words));
        for (int i = 0; i < LANES; i++) /* each on its own, so that they overlap */
            lanes[i] = ((lanes[i] ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15)) ^ (lanes[i] >> 29);
    }
    memset(words, 0, sizeof(words));
    memcpy(words, at, left);
    uint64_t sum = 0;
    for (int i = 0; i < LANES; i++)
        sum = (sum ^ lanes[i] ^ words[i]) * UINT64_C(0xff51afd7ed558ccd) + (sum >> 31);
    sum = sum_text(sum_text(sum_text(sum, s->node_name), s->pod_message), s->message);
    return sum | 1; /* never 0, which says that there is no text */
}

static void make(struct session *s, const char *site)
{
    struct json_t *view = session_view(s, site);
    struct buf text;
    buf_init(&text, TEXT_MAX);
    json_print(view, &text);
    json_free(view);
    INVARIANT(!text.overflowed);
    session_text_fini(s);
    s->shown_view = json_ref(s->view);
    s->shown_len = text.len;
    s->shown_text = mem_resize(text.data, text.len); /* handed over instead of buf_fini() */
}

struct slice session_text(struct session *s, const char *site)
{
    uint64_t sum = sum_of(s);
    if (s->shown_sum != sum)
        make(s, site);
    s->shown_sum = sum;
    return (struct slice){s->shown_text, s->shown_len};
}

void session_text_fini(struct session *s)
{
    free(s->shown_text);
    json_free(s->shown_view);
    s->shown_text = NULL;
    s->shown_view = NULL;
    s->shown_sum = 0;
}
