#include "clusters/line_splitter.h"

void line_splitter_init(struct line_splitter *s, size_t line_max)
{
    buf_init(&s->partial, line_max);
}

void line_splitter_fini(struct line_splitter *s)
{
    buf_fini(&s->partial);
}

void line_splitter_clear(struct line_splitter *s)
{
    buf_clear(&s->partial);
    s->partial.overflowed = false;
}

static bool give(struct slice line, line_splitter_f *fn, void *user)
{
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    return line.len == 0 || fn(line, user);
}

/* A line that lies whole in the piece is given from there; only a cut one is copied, so that no
 * byte is looked at twice. */
enum line_splitter_result line_splitter_feed(struct line_splitter *s, struct slice piece,
                                             line_splitter_f *fn, void *user)
{
    while (piece.len > 0) {
        const char *end = memchr(piece.at, '\n', piece.len);
        struct slice line = {piece.at, end ? (size_t)(end - piece.at) : piece.len};
        if (s->partial.len + line.len > s->partial.max)
            return LINE_SPLITTER_TOO_LONG;
        if ((!end || s->partial.len > 0) && !buf_add(&s->partial, line.at, line.len))
            return LINE_SPLITTER_TOO_LONG;
        if (!end)
            break;
        piece.at = end + 1;
        piece.len -= line.len + 1;
        bool go_on = give(s->partial.len > 0 ? buf_slice(&s->partial) : line, fn, user);
        buf_clear(&s->partial);
        if (!go_on)
            return LINE_SPLITTER_STOPPED;
    }
    return LINE_SPLITTER_MORE;
}
