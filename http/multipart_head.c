#include "http/multipart_head.h"

#include "base/hex.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_space(*s.at)) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

static void skip(struct slice *s, size_t n)
{
    s->at += n;
    s->len -= n;
}

void multipart_value_begin(struct multipart_value *v, struct slice text)
{
    const char *semicolon = text.len ? memchr(text.at, ';', text.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - text.at) : text.len;
    *v = (struct multipart_value){.value = trim((struct slice){text.at, len})};
    v->rest = text;
    skip(&v->rest, len);
}

/* Behind the opening quote: up to the closing one. */
static bool take_quoted(struct multipart_value *v)
{
    size_t i = 0;
    while (i < v->rest.len && v->rest.at[i] != '"')
        i += v->rest.at[i] == '\\' && i + 1 < v->rest.len &&
                     (v->rest.at[i + 1] == '"' || v->rest.at[i + 1] == '\\')
                 ? 2
                 : 1;
    if (i >= v->rest.len)
        return false;
    v->value = (struct slice){v->rest.at, i};
    v->quoted = true;
    skip(&v->rest, i + 1);
    return true;
}

static void take_token(struct multipart_value *v)
{
    const char *semicolon = v->rest.len ? memchr(v->rest.at, ';', v->rest.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - v->rest.at) : v->rest.len;
    v->value = trim((struct slice){v->rest.at, len});
    v->quoted = false;
    skip(&v->rest, len);
}

int multipart_value_next(struct multipart_value *v)
{
    v->rest = trim(v->rest);
    if (v->rest.len == 0)
        return 0;
    if (*v->rest.at != ';')
        return -1;
    skip(&v->rest, 1);
    v->rest = trim(v->rest);
    if (v->rest.len == 0)
        return 0;
    const char *equals = memchr(v->rest.at, '=', v->rest.len);
    if (!equals)
        return -1;
    v->name = trim((struct slice){v->rest.at, (size_t)(equals - v->rest.at)});
    skip(&v->rest, (size_t)(equals - v->rest.at) + 1);
    v->rest = trim(v->rest);
    if (v->rest.len > 0 && *v->rest.at == '"') {
        skip(&v->rest, 1);
        return take_quoted(v) ? 1 : -1;
    }
    take_token(v);
    return 1;
}

/* ---- names ---- */

/* Browsers leave a backslash as it is, curl escapes it and the quote: only these two are escapes.
 */
static bool copy_value(const struct multipart_value *v, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < v->value.len; i++) {
        char c = v->value.at[i];
        bool escape = v->quoted && c == '\\' && i + 1 < v->value.len &&
                      (v->value.at[i + 1] == '"' || v->value.at[i + 1] == '\\');
        if (escape)
            c = v->value.at[++i];
        if (c == '\0' || n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* RFC 8187: UTF-8'language'percent-encoded. */
static bool copy_extended(struct slice v, char *out, size_t size)
{
    const char *first = v.len ? memchr(v.at, '\'', v.len) : NULL;
    if (!first || !slice_eq_nocase((struct slice){v.at, (size_t)(first - v.at)}, "UTF-8"))
        return false;
    skip(&v, (size_t)(first - v.at) + 1);
    const char *second = v.len ? memchr(v.at, '\'', v.len) : NULL;
    if (!second)
        return false;
    skip(&v, (size_t)(second - v.at) + 1);
    size_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        int c = (unsigned char)v.at[i];
        if (c == '%') {
            c = i + 2 < v.len ? hex_byte(v.at + i + 1) : -1;
            i += 2;
        }
        if (c <= 0 || n + 1 >= size)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

static int bad_name(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "a part's name is malformed, or longer than %zu bytes",
                   MULTIPART_NAME_MAX);
}

static int read_disposition(struct multipart_head *h, struct slice text, struct err *err)
{
    struct multipart_value v;
    bool named = false, plain = false, extended = false;
    int rc;
    multipart_value_begin(&v, text);
    if (!slice_eq_nocase(v.value, "form-data"))
        return err_set(err, ERR_BAD_REQUEST, "a part of the body is no form-data");
    while ((rc = multipart_value_next(&v)) > 0) {
        bool ok = true;
        if (slice_eq_nocase(v.name, "name")) {
            ok = !named && copy_value(&v, h->name, sizeof(h->name));
            named = true;
        } else if (slice_eq_nocase(v.name, "filename")) {
            /* The extended form, where a client sends both, says the same more exactly. */
            char ignored[MULTIPART_NAME_MAX + 1];
            ok = !plain && copy_value(&v, extended ? ignored : h->file_name, sizeof(h->file_name));
            plain = true;
        } else if (slice_eq_nocase(v.name, "filename*")) {
            ok = !extended && !v.quoted &&
                 copy_extended(v.value, h->file_name, sizeof(h->file_name));
            extended = true;
        }
        if (!ok)
            return bad_name(err);
    }
    h->has_file_name = plain || extended;
    return rc < 0 ? bad_name(err) : 0;
}

static int check_encoding(struct slice value, struct err *err)
{
    static const char *const PLAIN[] = {"binary", "8bit", "7bit"};
    for (size_t i = 0; i < ARRAY_LEN(PLAIN); i++)
        if (slice_eq_nocase(value, PLAIN[i]))
            return 0;
    return err_set(err, ERR_BAD_REQUEST,
                   "parts of the body come as they are: no transfer encoding");
}

static int read_field(struct multipart_head *h, struct slice line, bool *disposed, struct err *err)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon || colon == line.at || is_space(*line.at) || memchr(line.at, '\0', line.len))
        return err_set(err, ERR_BAD_REQUEST, "a line above a part is no header field");
    struct slice name = {line.at, (size_t)(colon - line.at)};
    struct slice value = trim((struct slice){colon + 1, line.len - name.len - 1});
    if (slice_eq_nocase(name, "Content-Transfer-Encoding"))
        return check_encoding(value, err);
    if (!slice_eq_nocase(name, "Content-Disposition"))
        return 0;
    if (*disposed)
        return err_set(err, ERR_BAD_REQUEST, "a part has two Content-Disposition fields");
    *disposed = true;
    return read_disposition(h, value, err);
}

int multipart_head_parse(struct multipart_head *h, struct slice fields, struct err *err)
{
    bool disposed = false;
    *h = (struct multipart_head){.has_file_name = false};
    while (fields.len > 0) {
        const char *lf = memchr(fields.at, '\n', fields.len);
        size_t len = lf ? (size_t)(lf - fields.at) : fields.len;
        struct slice line = {fields.at, len};
        skip(&fields, lf ? len + 1 : len);
        if (!lf || len == 0 || line.at[len - 1] != '\r')
            return err_set(err, ERR_BAD_REQUEST, "a line above a part does not end with CR LF");
        line.len--;
        if (memchr(line.at, '\r', line.len))
            return err_set(err, ERR_BAD_REQUEST, "a line above a part holds a CR");
        if (line.len == 0)
            break;
        int rc = read_field(h, line, &disposed, err);
        if (rc < 0)
            return rc;
    }
    if (!disposed)
        return err_set(err, ERR_BAD_REQUEST, "a part has no Content-Disposition");
    return 0;
}
