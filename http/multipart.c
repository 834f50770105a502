#include "http/multipart.h"

#include "base/buf.h"
#include "base/mem.h"
#include "http/multipart_head.h"
#include <stdlib.h>

#define BOUNDARY_MAX ((size_t)70)

enum state {
    IN_PREAMBLE, /* before the first delimiter */
    IN_BODY,
    BEHIND_DELIMITER, /* "--", or white space and a line's end */
    IN_HEAD,
    IN_EPILOGUE
};

struct multipart {
    const struct multipart_events *events;
    void *user;
    enum state state;
    char delimiter[BOUNDARY_MAX + 5]; /* "\r\n--" and the boundary */
    size_t delimiter_len;
    size_t matched; /* of the delimiter, at the end of what came */
    size_t assumed; /* of these: its line end, where another one stands right before */
    size_t preamble;
    unsigned parts;
    struct buf head;
    char tail[2]; /* behind a delimiter: what came of "--" or CR LF */
    size_t tail_len;
};

static bool is_boundary(struct slice b)
{
    if (b.len == 0 || b.len > BOUNDARY_MAX || b.at[b.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < b.len; i++) {
        char c = b.at[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!word && !memchr("'()+_,-./:=? ", c, 13))
            return false;
    }
    return true;
}

static int read_type(struct slice content_type, char *boundary, size_t size, struct err *err)
{
    struct multipart_value v;
    multipart_value_begin(&v, content_type);
    if (!slice_eq_nocase(v.value, "multipart/form-data"))
        return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "files come as multipart/form-data");
    bool found = false;
    int rc;
    while ((rc = multipart_value_next(&v)) > 0) {
        if (!slice_eq_nocase(v.name, "boundary"))
            continue;
        if (found || !is_boundary(v.value))
            return err_set(err, ERR_BAD_REQUEST, "the boundary of the multipart body is no good");
        found = true;
        memcpy(boundary, v.value.at, v.value.len);
        boundary[v.value.len] = '\0';
    }
    INVARIANT(size > BOUNDARY_MAX);
    if (rc < 0 || !found)
        return err_set(err, ERR_BAD_REQUEST, "the multipart body's type names no boundary");
    return 0;
}

struct multipart *multipart_new(struct slice content_type, const struct multipart_events *events,
                                void *user, struct err *err)
{
    char boundary[BOUNDARY_MAX + 1];
    if (read_type(content_type, boundary, sizeof(boundary), err) < 0)
        return NULL;
    struct multipart *m = mem_alloc(sizeof(*m));
    m->events = events;
    m->user = user;
    memcpy(m->delimiter, "\r\n--", 4);
    m->delimiter_len = 4 + strlen(boundary);
    memcpy(m->delimiter + 4, boundary, m->delimiter_len - 4);
    m->matched = m->assumed = 2; /* the first delimiter may stand at the very beginning */
    buf_init(&m->head, MULTIPART_HEAD_MAX);
    return m;
}

void multipart_free(struct multipart **m)
{
    if (!*m)
        return;
    buf_fini(&(*m)->head);
    free(*m);
    *m = NULL;
}

static int give(struct multipart *m, struct slice piece, struct err *err)
{
    if (piece.len == 0)
        return 0;
    if (m->state == IN_BODY)
        return m->events->on_data(piece, m->user, err);
    m->preamble += piece.len;
    if (m->preamble > MULTIPART_PREAMBLE_MAX)
        return err_set(err, ERR_BAD_REQUEST, "no delimiter in the first %zu bytes of the body",
                       MULTIPART_PREAMBLE_MAX);
    return 0;
}

static int end_part(struct multipart *m, struct err *err)
{
    bool in_part = m->state == IN_BODY;
    m->state = BEHIND_DELIMITER;
    m->matched = m->assumed = 0;
    m->tail_len = 0;
    return in_part ? m->events->on_part_end(m->user, err) : 0;
}

/* Goes on with a delimiter that has begun. CR stands in it at its beginning only, so that where it
 * breaks off nothing but a new beginning is possible. */
static int match(struct multipart *m, struct slice *in, struct err *err)
{
    while (in->len > 0 && m->matched < m->delimiter_len && *in->at == m->delimiter[m->matched]) {
        m->matched++;
        in->at++;
        in->len--;
    }
    if (m->matched == m->delimiter_len)
        return end_part(m, err);
    if (in->len == 0)
        return 0;
    struct slice held = {m->delimiter + m->assumed, m->matched - m->assumed};
    m->matched = m->assumed = 0;
    return give(m, held, err);
}

static int take_bytes(struct multipart *m, struct slice *in, struct err *err)
{
    if (m->matched > 0)
        return match(m, in, err);
    const char *cr = memchr(in->at, '\r', in->len);
    struct slice plain = {in->at, cr ? (size_t)(cr - in->at) : in->len};
    /* A carriage return that begins no delimiter is data like any other: looked at in place, since
     * giving every one of them alone would cost a call each. */
    while (cr && (size_t)(in->at + in->len - cr) >= m->delimiter_len &&
           memcmp(cr, m->delimiter, m->delimiter_len) != 0) {
        const char *from = cr + 1;
        cr = memchr(from, '\r', (size_t)(in->at + in->len - from));
        plain.len = cr ? (size_t)(cr - in->at) : in->len;
    }
    in->at += plain.len;
    in->len -= plain.len;
    if (cr) {
        m->matched = 1;
        in->at++;
        in->len--;
    }
    return give(m, plain, err);
}

static int take_behind(struct multipart *m, struct slice *in, struct err *err)
{
    char c = *in->at++;
    in->len--;
    if (m->tail_len == 0 && (c == ' ' || c == '\t') && m->preamble++ < MULTIPART_PREAMBLE_MAX)
        return 0; /* transport padding */
    m->tail[m->tail_len++] = c;
    if (m->tail_len < 2)
        return 0;
    if (memcmp(m->tail, "--", 2) == 0) {
        m->state = IN_EPILOGUE;
        return 0;
    }
    if (memcmp(m->tail, "\r\n", 2) != 0)
        return err_set(err, ERR_BAD_REQUEST, "a delimiter of the body does not end its line");
    if (++m->parts > MULTIPART_PARTS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "the body has more than %u parts",
                       MULTIPART_PARTS_MAX);
    m->state = IN_HEAD;
    buf_clear(&m->head);
    return 0;
}

static bool head_is_whole(const struct buf *head)
{
    bool empty = head->len == 2 && memcmp(head->data, "\r\n", 2) == 0;
    return empty || (head->len >= 4 && memcmp(head->data + head->len - 4, "\r\n\r\n", 4) == 0);
}

static int take_head(struct multipart *m, struct slice *in, struct err *err)
{
    bool whole = false;
    while (in->len > 0 && !whole) {
        const char *lf = memchr(in->at, '\n', in->len);
        size_t line = lf ? (size_t)(lf - in->at) + 1 : in->len;
        if (!buf_add(&m->head, in->at, line))
            return err_set(err, ERR_BAD_REQUEST, "the head of a part is longer than %zu bytes",
                           MULTIPART_HEAD_MAX);
        in->at += line;
        in->len -= line;
        whole = lf && head_is_whole(&m->head);
    }
    if (!whole)
        return 0;
    struct multipart_head head;
    int rc = multipart_head_parse(&head, buf_slice(&m->head), err);
    if (rc < 0)
        return rc;
    const struct multipart_part part = {head.name, head.has_file_name ? head.file_name : NULL};
    m->state = IN_BODY;
    m->matched = m->assumed = 2; /* a part without bytes ends at its head's empty line */
    return m->events->on_part(&part, m->user, err);
}

int multipart_feed(struct multipart *m, struct slice in, struct err *err)
{
    int rc = 0;
    while (in.len > 0 && rc == 0) {
        if (m->state == IN_EPILOGUE)
            return 0; /* to be read over (RFC 2046) */
        if (m->state == BEHIND_DELIMITER)
            rc = take_behind(m, &in, err);
        else if (m->state == IN_HEAD)
            rc = take_head(m, &in, err);
        else
            rc = take_bytes(m, &in, err);
    }
    return rc;
}

int multipart_finish(const struct multipart *m, struct err *err)
{
    if (m->state == IN_EPILOGUE)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "the multipart body ends before its last delimiter");
}
